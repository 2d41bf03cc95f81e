#include "courier/mail.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/price.h"
#include "courier/json.h"

#define MESSAGE_BYTES_MAX (128u << 10)
#define LINE_OCTETS 73 /* of an iCalendar line, before it is folded; RFC 5545 allows 75 */
#define BASE64_LINE_BYTES 57
#define WORD_BYTES 1024

enum calendar { CALENDAR_NONE, CALENDAR_PUBLISH, CALENDAR_CANCEL };

/* What is told of; {…} is a member of the event's data. */
struct letter {
    const char *type, *subject, *text;
    enum calendar calendar;
};

static const struct letter letters[] = {
    {"booking.confirmed", "Your places: {show_name}",
     "Hello,\n\nyou have {quantity} for {show_name}{when}.\nPaid or to be paid: {amount}.\n\n"
     "Your booking is {id}. Keep this number.\n",
     CALENDAR_PUBLISH},
    {"booking.held", "Held for you: {show_name}",
     "Hello,\n\n{quantity} for {show_name}{when} held for you until {expires_at}.\n"
     "Confirm or pay before then, or somebody else may have them.\n\nYour booking is {id}.\n",
     CALENDAR_NONE},
    {"booking.cancelled", "Cancelled: {show_name}",
     "Hello,\n\nyour booking {id} for {show_name}{when} is cancelled.\n"
     "What you have paid goes back the way it came.\n",
     CALENDAR_CANCEL},
    {"booking.expired", "No longer held: {show_name}",
     "Hello,\n\nthe places for {show_name}{when} that were held for you are free again: nobody "
     "confirmed them in time.\nNothing was paid. Your booking was {id}.\n",
     CALENDAR_NONE},
    {"booking.failed", "Not paid: {show_name}",
     "Hello,\n\nthe payment for your booking {id} of {show_name}{when} did not succeed, and its "
     "places are free again.\nNothing was paid. You may try anew.\n",
     CALENDAR_NONE},
    {"waitlist.offered", "It is your turn: {show_name}",
     "Hello,\n\n{quantity} for {show_name} held for you until {expires_at}, because you were "
     "waiting.\nConfirm or pay before then, or the next in line is asked.\n\n"
     "Your booking is {id}.\n",
     CALENDAR_NONE},
};

void mail_init(struct mail *mail)
{
    memset(mail, 0, sizeof *mail);
    buf_init(&mail->message, MESSAGE_BYTES_MAX);
    mail->why = "";
}

void mail_free(struct mail *mail)
{
    buf_free(&mail->message);
}

bool mail_is_address(struct span text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  ".!#$%&'*+-/=?^_`{|}~@";
    const char *at = text.len == 0 ? NULL : memchr(text.bytes, '@', text.len);

    if (at == NULL || at == text.bytes || text.len > MAIL_ADDRESS_BYTES_MAX ||
        text.bytes[0] == '.' || text.bytes[text.len - 1] == '.' || text.bytes[text.len - 1] == '@')
        return false;
    for (const char *c = text.bytes; c < text.bytes + text.len; c++)
        if (strchr(allowed, *c) == NULL || *c == '\0' || (*c == '@' && c != at))
            return false;
    return at[1] != '.' && memmem(text.bytes, text.len, "..", 2) == NULL;
}

/* Words for people. */

static void put_text(struct buf *b, const struct json *data, const char *name)
{
    struct span text = json_span(data, name);

    buf_put(b, text.bytes, text.len);
}

/* "2026-05-03T19:30:00+00:00" as "2026-05-03 19:30 UTC": Postgres writes the session's zone, UTC.
 */
static void put_time(struct buf *b, const struct json *data, const char *name)
{
    struct span text = json_span(data, name);

    if (text.len < 16)
        return;
    buf_put(b, text.bytes, 10);
    buf_putc(b, ' ');
    buf_put(b, text.bytes + 11, 5);
    buf_puts(b, " UTC");
}

static void put_amount(struct buf *b, const struct json *data)
{
    struct span currency = json_span(data, "currency");
    int64_t amount = json_number(data, "amount"), unit = 1;
    char code[8];

    snprintf(code, sizeof code, "%.*s", (int)currency.len, currency.bytes);
    unsigned digits = price_minor_digits(code);
    for (unsigned i = 0; i < digits; i++)
        unit *= 10;
    buf_putf(b, "%" PRId64, amount / unit);
    if (digits > 0)
        buf_putf(b, ".%0*d", (int)digits, (int)(amount % unit));
    buf_putf(b, " %s", code);
}

static void put_quantity(struct buf *b, const struct json *data)
{
    int64_t n = json_number(data, "quantity");

    buf_putf(b, "%" PRId64 " %s", n, n == 1 ? "place" : "places");
}

static void put_member(struct buf *b, const struct delivery *d, const struct json *data,
                       struct span name)
{
    char id[ID_TEXT_BYTES];

    if (span_is(name, "id")) {
        id_format(d->subject, id);
        buf_puts(b, id);
    } else if (span_is(name, "quantity")) {
        put_quantity(b, data);
    } else if (span_is(name, "amount")) {
        put_amount(b, data);
    } else if (span_is(name, "expires_at")) {
        put_time(b, data, "expires_at");
    } else if (span_is(name, "show_name")) {
        put_text(b, data, "show_name");
    } else if (span_is(name, "when") && json_span(data, "starts_at").len > 0) {
        buf_puts(b, ", ");
        put_time(b, data, "starts_at");
    }
}

static void fill(struct buf *b, const char *text, const struct delivery *d, const struct json *data)
{
    while (*text != '\0') {
        const char *open = strchr(text, '{'), *close = open == NULL ? NULL : strchr(open, '}');
        size_t n = close == NULL ? strlen(text) : (size_t)(open - text);

        buf_put(b, text, n);
        if (close == NULL)
            return;
        put_member(b, d, data, (struct span){open + 1, (size_t)(close - open - 1)});
        text = close + 1;
    }
}

/* The forms of letters and calendars. */

/* In lines of 57 bytes, which are 76 characters. */
static void put_base64_lines(struct buf *b, struct span bytes)
{
    while (bytes.len > 0) {
        size_t n = bytes.len < BASE64_LINE_BYTES ? bytes.len : BASE64_LINE_BYTES;

        base64_write(b, (struct span){bytes.bytes, n});
        buf_puts(b, "\r\n");
        bytes.bytes += n;
        bytes.len -= n;
    }
}

/* RFC 2047, in words of at most 75 characters, so that no byte of a name can end the field. */
static void put_subject(struct buf *b, struct span text)
{
    buf_puts(b, "Subject:");
    while (text.len > 0) {
        size_t n = text.len < 42 ? text.len : 42;
        while (n < text.len && ((unsigned char)text.bytes[n] & 0xc0) == 0x80)
            n--; /* no character is divided */
        buf_puts(b, " =?UTF-8?B?");
        base64_write(b, (struct span){text.bytes, n});
        buf_puts(b, "?=\r\n");
        text.bytes += n;
        text.len -= n;
    }
}

/* A line of iCalendar, folded between characters. */
static void put_folded(struct buf *b, struct span line)
{
    while (line.len > LINE_OCTETS) {
        size_t n = LINE_OCTETS;
        while (((unsigned char)line.bytes[n] & 0xc0) == 0x80)
            n--;
        buf_put(b, line.bytes, n);
        buf_puts(b, "\r\n ");
        line.bytes += n;
        line.len -= n;
    }
    buf_put(b, line.bytes, line.len);
    buf_puts(b, "\r\n");
}

static void put_escaped(struct buf *b, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.bytes[i];
        if (c == '\n') {
            buf_puts(b, "\\n");
            continue;
        }
        if ((unsigned char)c < ' ')
            continue;
        if (c == '\\' || c == ';' || c == ',')
            buf_putc(b, '\\');
        buf_putc(b, c);
    }
}

static void put_property(struct buf *b, const char *name, struct span value)
{
    struct buf line;

    buf_init(&line, WORD_BYTES * 2);
    buf_puts(&line, name);
    put_escaped(&line, value);
    put_folded(b, buf_span(&line));
    buf_free(&line);
}

/* "2026-05-03T19:30:00+00:00" as "20260503T193000Z". */
static void put_moment(struct buf *b, const char *name, struct span text)
{
    if (text.len < 19)
        return;
    buf_puts(b, name);
    for (size_t i = 0; i < 19; i++)
        if (text.bytes[i] != '-' && text.bytes[i] != ':')
            buf_putc(b, text.bytes[i]);
    buf_puts(b, "Z\r\n");
}

static void put_calendar(struct buf *b, const struct delivery *d, const struct json *data,
                         enum calendar calendar)
{
    char id[ID_TEXT_BYTES], stamp[CLOCK_TEXT_BYTES];
    bool is_cancelled = calendar == CALENDAR_CANCEL;

    id_format(d->subject, id);
    clock_format(d->at_ms, stamp);
    buf_puts(b, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//usher//bookings//EN\r\n");
    buf_putf(b, "METHOD:%s\r\nBEGIN:VEVENT\r\n", is_cancelled ? "CANCEL" : "PUBLISH");
    buf_putf(b, "UID:%s@usher\r\nSEQUENCE:%d\r\n", id, is_cancelled ? 1 : 0);
    put_moment(b, "DTSTAMP:", span_of(stamp));
    put_moment(b, "DTSTART:", json_span(data, "starts_at"));
    put_moment(b, "DTEND:", json_span(data, "ends_at"));
    put_property(b, "SUMMARY:", json_span(data, "show_name"));
    buf_putf(b, "STATUS:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
             is_cancelled ? "CANCELLED" : "CONFIRMED");
}

static void put_head(struct buf *b, const struct mail *mail, const struct delivery *d,
                     const char *from)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char at[CLOCK_TEXT_BYTES];
    int month;

    clock_format(d->at_ms, at);
    month = (at[5] - '0') * 10 + at[6] - '0';
    buf_putf(b, "From: <%s>\r\nTo: <%s>\r\n", from, mail->to);
    buf_putf(b, "Date: %s, %.2s %s %.4s %.8s +0000\r\n", days[d->at_ms / 86400000 % 7], at + 8,
             months[month - 1], at, at + 11);
    buf_putf(b, "Message-ID: <%.*s@usher>\r\n", (int)d->event.len, d->event.bytes);
    buf_puts(b, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
}

static void put_part(struct buf *b, const char *type, struct span content)
{
    buf_putf(b, "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n", type);
    put_base64_lines(b, content);
}

static void put_body(struct buf *b, const struct letter *letter, const struct delivery *d,
                     const struct json *data)
{
    enum calendar calendar =
        json_span(data, "starts_at").len > 0 && d->has_subject ? letter->calendar : CALENDAR_NONE;
    struct buf text, invitation;

    buf_init(&text, MESSAGE_BYTES_MAX / 4);
    buf_init(&invitation, MESSAGE_BYTES_MAX / 4);
    fill(&text, letter->text, d, data);
    if (calendar == CALENDAR_NONE) {
        put_part(b, "text/plain; charset=utf-8", buf_span(&text));
    } else {
        put_calendar(&invitation, d, data, calendar);
        buf_puts(b, "Content-Type: multipart/mixed; boundary=\"=_usher\"\r\n\r\n--=_usher\r\n");
        put_part(b, "text/plain; charset=utf-8", buf_span(&text));
        buf_puts(b, "--=_usher\r\nContent-Disposition: attachment; filename=\"booking.ics\"\r\n");
        put_part(b,
                 calendar == CALENDAR_CANCEL ? "text/calendar; charset=utf-8; method=CANCEL"
                                             : "text/calendar; charset=utf-8; method=PUBLISH",
                 buf_span(&invitation));
        buf_puts(b, "--=_usher--\r\n");
    }
    b->failed = b->failed || text.failed || invitation.failed;
    buf_free(&text);
    buf_free(&invitation);
}

static bool write_letter(struct mail *mail, const struct letter *letter, const struct delivery *d,
                         const struct json *data, const char *from)
{
    struct span user = json_span(data, "user");
    struct buf subject;

    if (!mail_is_address(user)) {
        mail->why = "the user's name is no address";
        return false;
    }
    memcpy(mail->to, user.bytes, user.len);
    mail->to[user.len] = '\0';
    put_head(&mail->message, mail, d, from);
    buf_init(&subject, WORD_BYTES);
    fill(&subject, letter->subject, d, data);
    put_subject(&mail->message, buf_span(&subject));
    buf_free(&subject);
    put_body(&mail->message, letter, d, data);
    if (mail->message.failed)
        mail->why = "the letter is too long";
    return !mail->message.failed;
}

bool mail_write(struct mail *mail, const struct delivery *d, const char *from)
{
    const struct letter *letter = NULL;
    bool right = false;

    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
        if (span_is(d->type, letters[i].type))
            letter = &letters[i];
    if (letter == NULL) {
        mail->why = "no letter is written about that";
        return false;
    }
    struct json data = json_read(d->data);
    if (data.root == NULL)
        mail->why = "the event's data cannot be read";
    else
        right = write_letter(mail, letter, d, &data, from);
    json_free(&data);
    return right;
}
