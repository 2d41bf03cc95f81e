#include "gateway/keyring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "gateway/json.h"

#define MEMBER_BYTES_MAX 2048 /* of a key's number, decoded */

static bool kid_is_right(struct span kid)
{
    return kid.len > 0 && kid.len <= KID_BYTES_MAX && text_is_utf8(kid) && !text_has_control(kid);
}

static void name_key(struct pubkey *key, struct span kid)
{
    memcpy(key->kid, kid.bytes, kid.len);
    key->kid[kid.len] = '\0';
}

static const struct pubkey *named(const struct keyring *keyring, struct span kid)
{
    for (size_t i = 0; i < keyring->count; i++)
        if (span_is(kid, keyring->key[i].kid))
            return &keyring->key[i];
    return NULL;
}

const struct pubkey *keyring_find(const struct keyring *keyring, struct span kid)
{
    const struct pubkey *key = named(keyring, kid);

    return key == NULL && kid.len == 0 && keyring->count == 1 ? &keyring->key[0] : key;
}

/* Room for one more of that name, or NULL. */
static struct pubkey *next_key(struct keyring *keyring, struct span kid,
                               char why[KEYRING_WHY_BYTES])
{
    struct pubkey *key = &keyring->key[keyring->count];

    if (kid.len > 0 && !kid_is_right(kid)) {
        snprintf(why, KEYRING_WHY_BYTES, "a key's name must be 1 to %d bytes of text",
                 KID_BYTES_MAX);
        return NULL;
    }
    if (named(keyring, kid) != NULL) {
        snprintf(why, KEYRING_WHY_BYTES, "there are two keys named \"%.*s\"", (int)kid.len,
                 kid.bytes);
        return NULL;
    }
    if (keyring->count == KEYS_MAX) {
        snprintf(why, KEYRING_WHY_BYTES, "there are more than %d keys", KEYS_MAX);
        return NULL;
    }
    memset(key, 0, sizeof *key);
    name_key(key, kid);
    return key;
}

/* ---- JWK sets ---- */

static bool read_member(struct json *json, struct json_object jwk, const char *name,
                        struct buf *bytes)
{
    struct span text;

    buf_init(bytes, MEMBER_BYTES_MAX);
    return json_text(json, jwk, name, true, &text) && base64url_read(text, bytes);
}

static bool make_key(struct pubkey *key, enum key_kind kind, struct span a, struct span b,
                     const char **why)
{
    switch (kind) {
    case KEY_HS256:
        return pubkey_from_secret(key, a, why);
    case KEY_RS256:
        return pubkey_from_rsa(key, a, b, why);
    case KEY_ES256:
        return pubkey_from_p256(key, a, b, why);
    case KEY_EDDSA:
        return pubkey_from_ed25519(key, a, why);
    }
    abort();
}

/* What a JWK may be for us: its kind of key, its algorithm, and the members that it is made of. */
static const struct jwk_kind {
    const char *type, *curve;
    enum key_kind kind;
    const char *first, *second;
} jwk_kinds[] = {
    {"RSA", NULL, KEY_RS256, "n", "e"},
    {"EC", "P-256", KEY_ES256, "x", "y"},
    {"OKP", "Ed25519", KEY_EDDSA, "x", NULL},
    {"oct", NULL, KEY_HS256, "k", NULL},
};

static bool says(struct json *json, struct json_object jwk, const char *name, const char *wanted)
{
    struct span text;

    return json_text(json, jwk, name, false, &text) && span_is(text, wanted);
}

/* NULL: it is not for us. An oct key may be for many things: it must say that it is for HS256. */
static const struct jwk_kind *kind_of(struct json *json, struct json_object jwk)
{
    if ((json_has(jwk, "use") && !says(json, jwk, "use", "sig")) ||
        (json_has(jwk, "key_ops") && !json_text_is_among(jwk, "key_ops", SPAN("verify"))))
        return NULL;
    for (size_t i = 0; i < sizeof jwk_kinds / sizeof jwk_kinds[0]; i++) {
        const struct jwk_kind *kind = &jwk_kinds[i];
        bool names_algorithm = json_has(jwk, "alg");
        if (says(json, jwk, "kty", kind->type) &&
            (kind->curve == NULL || says(json, jwk, "crv", kind->curve)) &&
            (names_algorithm ? says(json, jwk, "alg", key_kind_name(kind->kind))
                             : kind->kind != KEY_HS256))
            return kind;
    }
    return NULL;
}

static bool add_jwk(struct keyring *keyring, struct json *json, struct json_object jwk,
                    char why[KEYRING_WHY_BYTES])
{
    const struct jwk_kind *kind = kind_of(json, jwk);
    const char *wrong = "has a member that is missing or not base64url";
    struct span kid = {"", 0};
    struct buf first, second;

    if (kind == NULL)
        return true;
    json_text(json, jwk, "kid", false, &kid);
    struct pubkey *key = next_key(keyring, kid, why);
    if (key == NULL)
        return false;
    bool right = read_member(json, jwk, kind->first, &first);
    buf_init(&second, MEMBER_BYTES_MAX);
    right = right && (kind->second == NULL || read_member(json, jwk, kind->second, &second)) &&
            make_key(key, kind->kind, buf_span(&first), buf_span(&second), &wrong);
    buf_free(&first);
    buf_free(&second);
    if (right)
        keyring->count++;
    else
        snprintf(why, KEYRING_WHY_BYTES, "the key \"%s\" %s", key->kid, wrong);
    return right;
}

bool keyring_add_set(struct keyring *keyring, struct span text, char why[KEYRING_WHY_BYTES])
{
    struct json json;
    struct json_object jwk;
    size_t count = 0;
    bool right = true;

    json_read(&json, text);
    if (!json.failed && !json_has(json_root(&json), "keys"))
        json_fail(&json, "it is no JWK set: it has no \"keys\"");
    json_list(&json, json_root(&json), "keys", KEYS_MAX, &count);
    for (size_t i = 0; right && !json.failed && i < count; i++)
        right = json_list_at(&json, json_root(&json), "keys", i, &jwk) &&
                add_jwk(keyring, &json, jwk, why);
    if (json.failed)
        snprintf(why, KEYRING_WHY_BYTES, "%s", json.why);
    right = right && !json.failed;
    json_free(&json);
    return right;
}

/* ---- files ---- */

static bool add_pem(struct keyring *keyring, struct span kid, struct span text,
                    char why[KEYRING_WHY_BYTES])
{
    const char *wrong = "cannot be read";
    struct pubkey *key = next_key(keyring, kid, why);

    if (key == NULL)
        return false;
    if (pubkey_from_pem(key, text, &wrong)) {
        keyring->count++;
        return true;
    }
    snprintf(why, KEYRING_WHY_BYTES, "the key %s", wrong);
    return false;
}

static bool starts(struct span text, const char *with)
{
    size_t len = strlen(with);

    return text.len >= len && memcmp(text.bytes, with, len) == 0;
}

static bool add_public(struct keyring *keyring, struct span kid, struct span text,
                       char why[KEYRING_WHY_BYTES])
{
    if (starts(text, "{") && kid.len == 0)
        return keyring_add_set(keyring, text, why);
    if (starts(text, "-----BEGIN "))
        return add_pem(keyring, kid, text, why);
    snprintf(why, KEYRING_WHY_BYTES,
             "it holds neither a PEM public key nor (without a name before it) a JWK set");
    return false;
}

static bool add_secret(struct keyring *keyring, struct span kid, struct span text,
                       char why[KEYRING_WHY_BYTES])
{
    const char *wrong = NULL;
    struct pubkey *key = next_key(keyring, kid, why);

    if (key == NULL)
        return false;
    while (text.len > 0 && strchr("\r\n", text.bytes[text.len - 1]) != NULL)
        text.len--;
    if (starts(text, "-----BEGIN ") || starts(text, "{"))
        wrong = "looks like a public key or a JWK set: whoever knows those could sign";
    else if (pubkey_from_secret(key, text, &wrong)) {
        keyring->count++;
        return true;
    }
    snprintf(why, KEYRING_WHY_BYTES, "the secret %s", wrong);
    return false;
}

static bool read_file(const char *path, struct buf *text, char why[KEYRING_WHY_BYTES])
{
    FILE *file = fopen(path, "re");
    char part[4096];
    size_t n;

    if (file == NULL) {
        snprintf(why, KEYRING_WHY_BYTES, "it cannot be opened: %s", strerror(errno));
        return false;
    }
    while ((n = fread(part, 1, sizeof part, file)) > 0)
        buf_put(text, part, n);
    bool right = !ferror(file) && !text->failed;
    if (!right)
        snprintf(why, KEYRING_WHY_BYTES, "it cannot be read, or has more than %d bytes",
                 KEY_FILE_BYTES_MAX);
    fclose(file);
    memset(part, 0, sizeof part);
    return right;
}

typedef bool add_text(struct keyring *keyring, struct span kid, struct span text,
                      char why[KEYRING_WHY_BYTES]);

/* "path" or "kid=path" */
static bool add_file(struct keyring *keyring, char *entry, add_text *add,
                     char why[KEYRING_WHY_BYTES])
{
    char *equals = strchr(entry, '=');
    const char *path = equals != NULL ? equals + 1 : entry;
    struct span kid = {entry, equals != NULL ? (size_t)(equals - entry) : 0};
    char wrong[KEYRING_WHY_BYTES] = "";
    struct buf text;

    buf_init(&text, KEY_FILE_BYTES_MAX);
    bool right = read_file(path, &text, wrong) && add(keyring, kid, buf_span(&text), wrong);
    if (text.bytes != NULL)
        explicit_bzero(text.bytes, text.len);
    buf_free(&text);
    if (!right)
        snprintf(why, KEYRING_WHY_BYTES, "%.200s: %.280s", path, wrong);
    return right;
}

static bool add_files(struct keyring *keyring, const char *list, add_text *add,
                      char why[KEYRING_WHY_BYTES])
{
    char *copy = strdup(list), *rest = NULL;
    bool right = copy != NULL;

    for (char *entry = right ? strtok_r(copy, ", \t", &rest) : NULL; right && entry != NULL;
         entry = strtok_r(NULL, ", \t", &rest))
        right = add_file(keyring, entry, add, why);
    free(copy);
    return right;
}

struct keyring *keyring_read(const char *public_keys, const char *secrets,
                             char why[KEYRING_WHY_BYTES])
{
    struct keyring *keyring = calloc(1, sizeof *keyring);

    snprintf(why, KEYRING_WHY_BYTES, "there is no memory for the keys");
    if (keyring != NULL && add_files(keyring, public_keys, add_public, why) &&
        add_files(keyring, secrets, add_secret, why)) {
        if (keyring->count > 0)
            return keyring;
        snprintf(why, KEYRING_WHY_BYTES, "the files hold no key that can be used here");
    }
    keyring_free(keyring);
    return NULL;
}

void keyring_free(struct keyring *keyring)
{
    if (keyring == NULL)
        return;
    for (size_t i = 0; i < keyring->count; i++)
        pubkey_free(&keyring->key[i]);
    free(keyring);
}
