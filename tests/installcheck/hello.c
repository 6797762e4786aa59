/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a user's first program sees of an installed libdragon. It runs outside a runtime, where
 * attaching has to fail and say why. */
#include <dragon/dragon.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    dragon_runtime_t *runtime = NULL;
    dragon_error_t error = {DRAGON_OK, ""};
    dragon_err_t err = dragon_runtime_attach(&runtime, &error);
    if (err == DRAGON_OK) {
        dragon_runtime_detach(runtime);
        fprintf(stderr, "attached without a runtime\n");
        return 1;
    }
    printf("dragon %s: %s: %s\n", dragon_version(), dragon_err_name(err), error.text);
    if (err != DRAGON_ERR_NOT_FOUND || error.code != err || error.text[0] == '\0') {
        fprintf(stderr, "not found, with a text that says why, was expected\n");
        return 1;
    }
    return strcmp(dragon_err_name(DRAGON_ERR_TIMEOUT), "DRAGON_ERR_TIMEOUT") == 0 ? 0 : 1;
}
