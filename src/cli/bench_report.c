// SPDX-License-Identifier: BSD-3-Clause
//
// The report: figures as lines for people, each written when it is known, or as one JSON object at the
// end of which `report_end` writes the rest.
#include "config.h"

#include "cli/bench.h"

#include <stdarg.h>
#include <unistd.h>

struct report {
    FILE *file; // owned
    bool json, facts_over, failed;
    int facts, figures;
    char **warnings; // owned
};

// ---- samples

static void samples_add(struct samples *samples, double value)
{
    if (samples->count < FIGURE_SAMPLES)
        samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

struct spread {
    double median, low, high;
};

static struct spread samples_spread(const struct samples *samples)
{
    struct samples sorted = *samples;
    int count = sorted.count, middle = count / 2;
    if (count == 0)
        return (struct spread){0};
    qsort(sorted.values, (size_t)count, sizeof *sorted.values, compare);
    double median =
        count % 2 ? sorted.values[middle] : (sorted.values[middle - 1] + sorted.values[middle]) / 2;
    return (struct spread){median, sorted.values[0], sorted.values[count - 1]};
}

// ---- figures

void figure_add(struct figure *figure, double ours, double peer)
{
    samples_add(&figure->ours, ours);
    samples_add(&figure->peers, peer);
    if (peer > 0)
        samples_add(&figure->ratios, ours / peer);
}

void figure_add_ours(struct figure *figure, double ours)
{
    samples_add(&figure->ours, ours);
}

__attribute__((format(printf, 2, 0))) static void note(struct figure *figure, const char *format,
                                                       va_list args)
{
    if (!figure->note[0])
        vsnprintf(figure->note, sizeof figure->note, format, args);
}

void figure_note(struct figure *figure, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(figure, format, args);
    va_end(args);
}

void figure_fail(struct figure *figure, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    figure->note[0] = 0;
    note(figure, format, args);
    va_end(args);
    figure->failed = true;
}

static bool aim_is_met(const struct figure *figure)
{
    double value = samples_spread(figure->peer[0] ? &figure->ratios : &figure->ours).median;
    return figure->aim == AIM_AT_MOST ? value <= figure->aim_value : value >= figure->aim_value;
}

static const char *aim_name(enum aim_kind aim)
{
    return aim == AIM_AT_MOST ? "at most" : "at least";
}

// ---- for people

static void print_value(char *text, size_t room, double value, const char *unit)
{
    int digits = value >= 100 || value == (double)(long)value ? 0 : value >= 10 ? 1 : 2;
    if (value > 0 && value < 0.1)
        digits = 3;
    snprintf(text, room, "%.*f%s%s", digits, value, *unit ? " " : "", unit);
}

static void print_line(struct report *report, const struct figure *figure)
{
    char ours[40] = "-", peer[40] = "", ratio[60] = "", aim[60] = "";
    struct spread ratios = samples_spread(&figure->ratios);
    if (figure->ours.count)
        print_value(ours, sizeof ours, samples_spread(&figure->ours).median, figure->unit);
    if (figure->peers.count)
        print_value(peer, sizeof peer, samples_spread(&figure->peers).median, figure->unit);
    if (figure->ratios.count)
        snprintf(ratio, sizeof ratio, "%.2f (%.2f-%.2f)", ratios.median, ratios.low, ratios.high);
    if (figure->aim && figure->ours.count)
        snprintf(aim, sizeof aim, "%s %g%s%s: %s", aim_name(figure->aim), figure->aim_value,
                 figure->peer[0] || !*figure->unit ? "" : " ", figure->peer[0] ? "" : figure->unit,
                 aim_is_met(figure) ? "met" : "missed");
    fprintf(report->file, "%-30s %-36s %12s %12s %-22s %-22s %s\n", figure->name, figure->what,
            ours, peer, ratio, aim, figure->peer);
    if (figure->note[0])
        fprintf(report->file, "%-30s   %s%s\n", "", figure->failed ? "NOT MEASURED: " : "",
                figure->note);
}

static void print_head(struct report *report)
{
    for (char **warning = report->warnings; warning && *warning; warning++)
        fprintf(report->file, "%-18s %s\n", "warning", *warning);
    fprintf(report->file, "\n%-30s %-36s %12s %12s %-22s %-22s %s\n", "figure", "what", "ours",
            "peer", "ratio (low-high)", "aim", "the peer");
}

// ---- JSON

static void json_text(struct report *report, const char *text)
{
    putc('"', report->file);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            fprintf(report->file, "\\%c", byte);
        else if (byte < 0x20 || byte >= 0x7f)
            fprintf(report->file, "\\u%04x", byte);
        else
            putc(byte, report->file);
    }
    putc('"', report->file);
}

static void json_pair(struct report *report, const char *name, const char *value)
{
    json_text(report, name);
    fputs(": ", report->file);
    json_text(report, value);
}

static void json_samples(struct report *report, const char *name, const struct samples *samples)
{
    struct spread spread = samples_spread(samples);
    if (samples->count)
        fprintf(report->file,
                ", \"%s\": {\"median\": %.6g, \"low\": %.6g, \"high\": %.6g, \"runs\": %d}", name,
                spread.median, spread.low, spread.high, samples->count);
}

static void json_figure(struct report *report, const struct figure *figure)
{
    fputs(report->figures ? ",\n    {" : "\n    {", report->file);
    json_pair(report, "name", figure->name);
    fputs(", ", report->file);
    json_pair(report, "what", figure->what);
    fputs(", ", report->file);
    json_pair(report, "unit", figure->unit);
    json_samples(report, "ours", &figure->ours);
    json_samples(report, "peer", &figure->peers);
    json_samples(report, "ratio", &figure->ratios);
    if (figure->peer[0]) {
        fputs(", ", report->file);
        json_pair(report, "peer_name", figure->peer);
    }
    if (figure->aim && figure->ours.count)
        fprintf(report->file, ", \"aim\": {\"%s\": %g, \"met\": %s}", aim_name(figure->aim),
                figure->aim_value, aim_is_met(figure) ? "true" : "false");
    if (figure->note[0]) {
        fputs(", ", report->file);
        json_pair(report, "note", figure->note);
    }
    fprintf(report->file, ", \"measured\": %s}", figure->ours.count ? "true" : "false");
}

static void json_head(struct report *report)
{
    fputs("\n  },\n  \"warnings\": [", report->file);
    for (char **warning = report->warnings; warning && *warning; warning++) {
        fputs(warning == report->warnings ? "" : ", ", report->file);
        json_text(report, *warning);
    }
    fputs("],\n  \"figures\": [", report->file);
}

// ---- the report

struct report *report_create(const char *word, bool json, int fd)
{
    struct report *report = calloc(1, sizeof *report);
    if (!report)
        return NULL;
    report->json = json;
    report->file = fdopen(fd, "w");
    if (!report->file) {
        free(report);
        return NULL;
    }
    if (json)
        fprintf(report->file, "{\n  \"bench\": \"%s\",\n  \"machine\": {", word);
    return report;
}

void report_destroy(struct report *report)
{
    if (!report)
        return;
    fclose(report->file);
    strv_free(report->warnings);
    free(report);
}

void report_fact(struct report *report, const char *name, const char *value)
{
    if (report->json) {
        fputs(report->facts++ ? ",\n    " : "\n    ", report->file);
        json_pair(report, name, value);
    } else
        fprintf(report->file, "%-18s %s\n", name, value);
}

void report_warn(struct report *report, const char *text)
{
    log_notice("%s", text);
    strv_push(&report->warnings, text);
}

static void end_facts(struct report *report)
{
    if (report->facts_over)
        return;
    report->facts_over = true;
    if (report->json)
        json_head(report);
    else
        print_head(report);
}

void report_figure(struct report *report, const struct figure *figure)
{
    end_facts(report);
    if (report->json)
        json_figure(report, figure);
    else
        print_line(report, figure);
    report->figures++;
    report->failed = report->failed || figure->failed;
    fflush(report->file);
}

// ---- tables

void report_table(struct report *report, const char *head, const char *const *columns, int count)
{
    end_facts(report);
    if (report->json)
        return;
    fprintf(report->file, "\n%-30s", head);
    for (int i = 0; i < count; i++)
        fprintf(report->file, " %12s", columns[i]);
    fputs("\n", report->file);
}

void report_row(struct report *report, const char *head, const struct figure *figures, int count)
{
    end_facts(report);
    if (!report->json)
        fprintf(report->file, "%-30s", head);
    for (int i = 0; i < count; i++) {
        char text[40] = "-";
        if (figures[i].ours.count)
            print_value(text, sizeof text, samples_spread(&figures[i].ours).median,
                        figures[i].unit);
        if (report->json)
            json_figure(report, &figures[i]);
        else
            fprintf(report->file, " %12s", text);
        report->figures++;
        report->failed = report->failed || figures[i].failed;
    }
    for (int i = 0; !report->json && i < count; i++)
        if (figures[i].note[0])
            fprintf(report->file, "\n%-30s   %s: %s", "", figures[i].name, figures[i].note);
    if (!report->json)
        fputs("\n", report->file);
    fflush(report->file);
}

bool report_end(struct report *report)
{
    end_facts(report);
    if (report->json)
        fputs("\n  ]\n}\n", report->file);
    if (fflush(report->file) != 0 || ferror(report->file)) {
        log_error("the report could not be written");
        return false;
    }
    return !report->failed;
}
