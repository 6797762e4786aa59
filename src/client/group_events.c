// SPDX-License-Identifier: BSD-3-Clause
//
// Events: noted while messages are handled, told between the turns of the loop. So a callback may call anything,
// also what turns the loop; then the events behind its own are told from there.
#include "config.h"

#include "client/group.h"

struct event {
    struct event *next;
    struct dragon_group *group; // borrowed
    dragon_event_t told;        // its text is owned; NULL: ""
};

static void event_destroy(struct event *event)
{
    free((char *)event->told.text);
    free(event);
}

void event_add(struct run *run, const dragon_event_t *told)
{
    struct dragon_runtime *runtime = run->runtime;
    for (struct dragon_group *group = run->handles; group; group = group->next_handle) {
        struct event *event = group->on_event ? malloc(sizeof *event) : NULL;
        if (!event)
            continue;
        *event = (struct event){.group = group, .told = *told};
        event->told.text = told->text ? strdup(told->text) : NULL;
        *runtime->events_end = event;
        runtime->events_end = &event->next;
    }
}

static struct event *take_first(struct dragon_runtime *runtime)
{
    struct event *event = runtime->events;
    if (!event)
        return NULL;
    runtime->events = event->next;
    if (!runtime->events)
        runtime->events_end = &runtime->events;
    return event;
}

void events_tell(struct dragon_runtime *runtime)
{
    struct event *event;
    while ((event = take_first(runtime))) {
        struct dragon_group *group = event->group;
        dragon_event_t told = event->told;
        if (!told.text)
            told.text = "";
        if (group->on_event)
            group->on_event(group->event_arg, group, &told);
        event_destroy(event);
    }
}

void events_forget(struct dragon_runtime *runtime, const struct dragon_group *group)
{
    struct event **at = &runtime->events;
    while (*at) {
        struct event *event = *at;
        if (group && event->group != group) {
            at = &event->next;
            continue;
        }
        *at = event->next;
        event_destroy(event);
    }
    runtime->events_end = at;
}

void dragon_group_on_event(dragon_group_t *group,
                           void (*fn)(void *arg, dragon_group_t *group,
                                      const dragon_event_t *event),
                           void *arg)
{
    group->on_event = fn;
    group->event_arg = arg;
    if (!fn)
        events_forget(group->runtime, group);
}
