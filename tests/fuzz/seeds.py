#!/usr/bin/python3
"""Write the beginnings of the fuzz targets' corpora: tests/fuzz/corpus/<target>/seed-<name>.

What a fuzzer found worth keeping stands beside them under other names and is left alone.
"""
import hashlib
import os

import msgpack

HERE = os.path.dirname(os.path.abspath(__file__))


def pack(value):
    """As usher writes it: bytes as msgpack `str`, never `bin`."""
    return msgpack.packb(value, use_bin_type=False)


def write(target, name, content):
    folder = os.path.join(HERE, 'corpus', target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'seed-' + name), 'wb') as file:
        file.write(content)


GET = b'GET /v1/shows/7?q=a HTTP/1.1\r\nHost: box.example\r\nPrefer: wait=2\r\n\r\n'
POST = (b'POST /book HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
        b'Idempotency-Key: "k1"\r\nContent-Length: 15\r\n\r\n{"userId":"a b"')
CHUNKED = (b'POST /v1/shows/1/bookings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
           b'5\r\nhello\r\n0\r\n\r\n')

HEADS = {
    'get': GET,
    'post': POST,
    'chunked': CHUNKED,
    'http10': b'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    'empty-line-first': b'\r\n' + GET,
    'expect': b'PUT /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc',
    'options': b'OPTIONS * HTTP/1.1\r\nHost: x\r\nOrigin: https://a\r\n\r\n',
    'absolute': b'GET http://h.example/a HTTP/1.1\r\nHost: h.example\r\n\r\n',
    'head': b'HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    'both': b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'two-lengths': b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'folded': b'GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n',
    'bare-lf': b'GET / HTTP/1.1\nHost: x\n\n',
    'space-before-colon': b'GET / HTTP/1.1\r\nHost : x\r\n\r\n',
    'no-host': b'GET / HTTP/1.1\r\n\r\n',
    'http2': b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'long-target': b'GET /' + b'a' * 2100 + b' HTTP/1.1\r\nHost: x\r\n\r\n',
    'many-fields': b'GET / HTTP/1.1\r\nHost: x\r\n' + b'A: b\r\n' * 70 + b'\r\n',
    'cut': GET[:40],
}

CONVERSATIONS = {
    'pipelined': GET + POST + b'}' + GET + CHUNKED + b'HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n',
    'bad-in-the-middle': GET + b'GET / HTTP/1.1\nHost: x\r\n\r\n' + GET,
    'too-much-body': b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n' + b'x' * 400,
    'close-then-more': b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' + GET,
    'http10-twice': HEADS['http10'] * 2,
    'expect': HEADS['expect'] + GET,
    'chunked-cut': CHUNKED[:-6],
    'bad-chunk': CHUNKED.replace(b'5\r\n', b'5 \r\n') + GET,
    'stream': GET + b'GET /abcde HTTP/1.1\r\nHost: x\r\n\r\n' + GET,
    'body-of-get': b'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi' + GET,
}

CHUNKS = {
    'two': b'5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n',
    'trailers': b'0\r\nA: b\r\nC: d\r\n\r\n',
    'upper': b'A\r\n0123456789\r\n0\r\n\r\nGET',
    'huge': b'ffffffffffffffff\r\n',
    'zeros': b'00000000000000000005\r\nhello\r\n0\r\n\r\n',
    'bare-lf': b'5\nhello\n0\n\n',
    'quoted': b'1;x="a\\"b"\r\nz\r\n0\r\n\r\n',
}

BODIES = {
    'empty': b'',
    'one': b'{"user":"ann","tier":"VIP","quantity":2}',
    'items': b'{"user":"b","items":[{"tier":"VIP","quantity":1},{"tier":"STD","quantity":3}]}',
    'hold': b'{"user":"c","tier":"STD","quantity":1,"hold":true,"deadline_ms":1000}',
    'book': b'{"userId":"u-1"}',
    'show-number': b'{"show_id":7,"user":"d"}',
    'escapes': b'{"user":"\\u00e9\\"\\\\\\n\\ud83c\\udf9f"}',
    'surrogate': b'{"user":"\\ud800"}',
    'nul': b'{"user":"a\\u0000b"}',
    'null': b'{"user":null,"n":-9223372036854775808}',
    'overflow': b'{"n":9223372036854775808}',
    'fraction': b'{"quantity":1.5,"n":1e3}',
    'deep': b'{"a":' + b'[' * 40 + b']' * 40 + b'}',
    'twice': b'{"user":"a","user":"b"}',
    'array': b'[{"user":"a"}]',
    'utf8': '{"user":"Łódź 🎟"}'.encode(),
    'bad-utf8': b'{"user":"\xc3\x28"}',
    'trailing': b'{"user":"a"} x',
}

FIELDS = [
    (0, [b'"a key"', b'abc-123', b' "a\\"b\\\\c" ', b'"', b'x' * 255, b'"' + b'y' * 256 + b'"']),
    (1, [b'respond-async, wait=5', b'wait="10"; a=b', b'wait=99999999999', b'WAIT=1,,wait=2',
         b'handling=lenient, x="a,b;c"']),
    (2, [b'a%20b%2Fc', b'%', b'%zz', b'%00', b'caf%C3%A9']),
    (3, [b'a+b%2b', b'+', b'%e2%82%ac']),
    (4, [b'q=a&limit=5', b'x=1&q=%41', b'q', b'&&q=&q=2', b'aq=1']),
    (5, [b'2026-05-03T19:30:00Z', b'2026-05-03', b'2024-02-29t23:59:60.5+05:30',
         b'0001-01-01T00:00:00-23:59', b'2026-05-03 19:30:00.123456Z', b'2026-05-03\x0019:30:00Z']),
    (6, [b'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', b'00-' + b'0' * 52,
         b'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more']),
    (7, [b'"v42"', b'W/"v42", "x"', b'*', b'application/vnd.usher+json; charset=utf-8']),
    (8, [b'https://a.example, https://b.example', b'*', b'']),
]

REQUEST_ID = bytes.fromhex('000000070123456789abcdef01234567')
TRACE = b'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'


def request(op, user, arguments, show=7):
    return [REQUEST_ID, op, show, user, 1777777777777, b'12345678', b'gw-1', TRACE, arguments]


REQUESTS = {
    'book': [request(1, b'ann', [[1, 2]])],
    'hold': [request(2, 'Łódź'.encode(), [[1, 2], [2, 1]])],
    'confirm': [request(3, b'', [REQUEST_ID])],
    'cancel': [request(4, b'ann', [REQUEST_ID, 0, 0]), request(4, b'ann', [REQUEST_ID, 2, 3])],
    'extend': [request(5, b'ann', [REQUEST_ID])],
    'refresh': [request(6, b'', [])],
    'pay': [request(7, b'ann', [REQUEST_ID, b'']), request(7, b'', [REQUEST_ID, b'pm_card_visa'])],
    'settle': [request(8, b'', [REQUEST_ID, REQUEST_ID, result, b'pi_1', reason])
               for result, reason in ((1, b''), (2, b'card_declined'), (3, b'no_answer'))],
    'settle-what': [request(8, b'', [REQUEST_ID, REQUEST_ID, 4, b'pi_1', b''])],
    'join': [request(9, b'ann', [2, 4])],
    'leave': [request(10, b'', [REQUEST_ID])],
    'several': [request(11, b'ann', [2, [[7, 1, 2], [7, 2, 1], [5, 1, 1], [9, 3, 1]]])],
    'admin': [request(12, b'olga', [b'inventory.add', b'{"tier":1,"quantity":5}', b''])],
    'admin-booking': [request(12, b'olga', [b'booking.cancel', b'{}', REQUEST_ID])],
    'several-seats': [request(11, b'ann', [1, [[7, 1, 2, b'\0\0\0\1\0\0\0\2'], [7, 2, 1],
                                               [9, 3, 1, b'\0\0\0\4']]])],
    'same-tier-twice': [request(1, b'a', [[1, 2], [1, 1]])],
    'no-user': [request(1, b'', [[1, 2]])],
    'show-0': [request(1, b'a', [[1, 1]], show=0)],
    'seats': [request(1, b'ann', [[1, 2], b'\0\0\0\1\0\0\0\2']),
              request(4, b'ann', [REQUEST_ID, 0, 0, b'\0\0\0\2'])],
    'none': [],
    'full': [request(1, b'u%d' % i, [[i % 32 + 1, 1]]) for i in range(16)],
}

BOOKING = [REQUEST_ID, b'ann', 3, 1777777777777, 0, 20000, [[1, 2, 10000]]]
ANSWERS = {
    'granted': [0, 1777777777777, 1, b'12345678', 7, BOOKING, 98, 0],
    'later': [0, 1777777777777, 1, b'12345678', 7, BOOKING + [None, 5], 98, 0, None, {b'a': 1}],
    'sold-out': [1, 1777777777777, 1, b'12345678', 7, None, 0, 0],
    'limit': [5, 1, 2, b'12345678', 7, None, None, 4],
    'hold': [0, 1, 2, b'\xff' * 8, 7, BOOKING[:2] + [1, 1, 2] + BOOKING[5:], 3, 0],
    'seats': [0, 1, 1, b'12345678', 7, BOOKING + [b'\0\0\0\1\0\0\0\2'], 98, 0],
    'seat-taken': [3, 1, 1, b'12345678', 7, None, None, 0, b'\0\0\0\1'],
    'waiting': [0, 1, 9, b'12345678', 7, [REQUEST_ID, b'ann', 2, 4, 1777777777777, 17], None, 0],
    'pending': [0, 1, 7, b'12345678', 7, BOOKING[:2] + [2] + BOOKING[3:], None, 0],
    'failed': [0, 1, 8, b'12345678', 7, BOOKING[:2] + [6] + BOOKING[3:], None, 0],
    'left': [0, 1, 10, b'12345678', 7, [REQUEST_ID, b'ann', 2, 4, 1777777777777, 0], None, 0],
    'several': [0, 1, 11, b'12345678', 7, BOOKING, None, 0, pack([BOOKING])],
    'admin': [0, 1, 12, b'12345678', 7, None, None, 0, b'{"state":"open"}'],
    'several-refused': [1, 1, 11, b'12345678', 7, None, None, 0, 9],
    'several-taken': [3, 1, 11, b'12345678', 7, None, None, 0, 9, b'\0\0\0\1'],
    'cancelled': [0, 1, 4, b'12345678', 7, BOOKING[:2] + [4] + BOOKING[3:6] + [[[1, 0, 5]]], None, 0],
}

AVAILABILITIES = {
    'two': [7, 42, [[1, 100, 98, 1, 1, 0], [2, 50, 50, 0, 0, 0]]],
    'none': [7, 0, []],
    'later': [7, 42, [[1, 100, 98, 1, 1, 0, None, b'more']], {b'a': 1}],
    'large': [2 ** 32 - 1, 2 ** 64 - 1, [[32, 2 ** 32 - 1, 0, 0, 0, 0]]],
}

NEWS = {
    'availability': [1, 7, pack([7, 42, [[1, 100, 98, 1, 1, 0]]])],
    'seats': [2, 7, 42],
    'queue': [3, 7, 120, 60, 98, b'open', 400],
    'sale': [4, 7, 4],
    'later-kind': [9, 7, {b'a': [1]}],
    'later-fields': [3, 7, 1, 2, 3, b'', 4, [5, None], b'more'],
}

MASK = b'\x01\x02\x03\x04'
FRAMES = {
    'text': b'\x81\x82' + MASK + b'hi',
    'ping': b'\x89\x84' + MASK + b'ping',
    'close': b'\x88\x82' + MASK + b'\x02\xea',
    'parts': b'\x01\x81' + MASK + b'a\x89\x80' + MASK + b'\x80\x81' + MASK + b'b',
    'not-masked': b'\x81\x02hi',
    'long': b'\x82\xfe\x01\x00' + MASK + b'x' * 256 + b'\x8a\x80' + MASK,
    'too-long': b'\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00' + MASK + b'x',
}

CODES = {
    'nested': [[[[[[[]]]]]]],
    'too-deep': [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]],
    'numbers': [0, 127, 128, 255, 256, 65536, 2 ** 32, 2 ** 63, 2 ** 64 - 1, -1, -32, -33, -2 ** 63],
    'text': [b'', b'a' * 31, b'b' * 32, b'c' * 256],
    'map': {b'a': [1, None]},
}

IDS = {
    'text': b'000004c0938nksbh9ntqg92hb7',
    'upper': b'7ZZZZZZZZZZZZZZZZZZZZZZZZZ',
    'too-large': b'80000000000000000000000000',
    'no-digit': b'0000000000000000000000000i',
    'bytes': REQUEST_ID + b'\x01\x02\x03\x04',
    'keyed': bytes.fromhex('00000007f123456789abcdef01234567'),
}

TEXTS = {
    'number': b'18446744073709551615',
    'overflow': b'18446744073709551616',
    'slug': b'rock-night-2026',
    'user': 'Žofie Łódź 🎟'.encode(),
    'overlong': b'\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf',
    'surrogate': b'\xed\xa0\x80',
    'beyond': b'\xf4\x90\x80\x80',
    'c1': b'a\xc2\x85b',
    'url': b'postgresql://u:p@ss/w@host/db?password=x&sslmode=disable',
    'keywords': b"host=a password='x \\' y' dbname=b",
}

URLS = {
    'plain': b'redis://127.0.0.1:6379/0',
    'login': b'redis://me:p%40ss@host',
    'v6': b'redis://[::1]:7000/3',
    'unix': b'unix:///run/usher/redis.sock?db=2',
    'tls': b'rediss://host',
    'bad-port': b'redis://host:0',
}

CONFIGS = {
    'file': b'\0[usher]\nname = a ; comment\nneeded=b\n[fuzz]\nplaces_max: 7\nopen = on\n',
    'flags': b'--needed=x\0--open\0--offset-ms\0-5\0\0[fuzz]\npassword = s3cret\n',
    'unknown': b'--needed=x\0\0[fuzz]\nnonsense = 1\n',
    'out-of-range': b'--needed=x\0--places-max=1001\0',
    'help': b'--help\0',
    'check': b'--needed=x\0--check-config\0',
    'long-line': b'--needed=x\0\0[fuzz]\nname = ' + b'n' * 300 + b'\npassword=' + b'p' * 200 + b' ; c\n',
    'no-section': b'\0name = a\n',
    'nul-in-file': b'--needed=x\0\0[fuzz]\nname = a\0b\n',
}


MAC = b'ab' * 32
SIGNATURES = {  # field, body, secrets
    'one': b't=1777777777,v1=' + MAC + b'\0{"id":"evt_1"}\0whsec_1',
    'rotated': b't=1777777777,v1=' + MAC + b',v1=' + MAC[::-1] + b'\0{}\0whsec_1, whsec_2',
    'other-scheme': b't=1777777777,v0=' + MAC + b'\0{}\0whsec_1',
    'two-times': b't=1,t=1777777777,v1=' + MAC + b'\0{}\0whsec_1',
    'old': b't=1777770000,v1=' + MAC + b'\0{}\0,,',
    'no-time': b'v1=' + MAC + b'\0{}\0whsec_1',
    'odd-hex': b't=1777777777,v1=' + MAC[:-1] + b'g\0{}\0whsec_1',
    'many': b't=1777777777' + b',v1=' * 40 + b'\0{}\0' + b'a,' * 40,
}

TICKETS = {
    'keys': b'# first signs\n7 ' + b'ab' * 32 + b'\n9 ' + b'cd' * 32 + b'\n',
    'keys-wrong': b'7 ' + b'ab' * 31 + b'zz\n',
    'ticket': b'AQcAAAAHAAAAKgGbdtqoAEmRXg19S0AulTQD_hhWH7zNJUlWoow5cSM8Y_ROUoLYqMq7ZhX529g',
}
RIGHT = b'{"sub":"ann","exp":1767225600.5,"nbf":1,"role":["admin"]}'
TOKENS = {
    'forged': b'\0eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ.eyJzdWIiOiJhbm4iLCJleHAiOjl9.' + b'A' * 43,
    'none': b'\0eyJhbGciOiJub25lIiwia2lkIjoiayJ9.eyJzdWIiOiJhbm4iLCJleHAiOjl9.',
    'claims': b'\1' + RIGHT, 'claims-twice': b'\1{"sub":"a","sub":"b","exp":1}',
    'head': b'\2{"alg":"HS256","kid":"k","typ":"JWT"}', 'crit': b'\2{"alg":"HS256","crit":["b64"]}',
    'rsa': b'\3{"keys":[{"kty":"RSA","kid":"a","n":"' + b'u7-_' * 86 + b'","e":"AQAB"}]}',
    'ec': b'\3{"keys":[{"kty":"EC","crv":"P-256","x":"' + b'A' * 43 + b'","y":"' + b'A' * 43 + b'"}]}',
    'okp': b'\3{"keys":[{"kty":"OKP","crv":"Ed25519","x":"' + b'A' * 43 + b'","use":"sig"}]}',
    'oct': b'\3{"keys":[{"kty":"oct","alg":"HS256","k":"' + b'A' * 43 + b'"},{"kty":"x"}]}',
    'forwarded': b'\4for=1.1.1.1, for="[2001:db8::7]:4711";proto=https, for=10.3.3.3',
    'x-forwarded-for': b'\x05192.0.2.1:80, 2001:db8::1, 10.2.2.2',
}
ROOM = [1, 1000, 2000, 20, 3, 600, 50, 2, 600000, 120000, b'c' * 32, b'k' * 32,
        [[2000, 0], [2200, 3]]]
ROOMS = {'open': pack(ROOM), 'before': pack([3, 1000, 0, 0] + ROOM[4:11] + [b'', []]),
         'marks': b'2000:0 2200:3 2400:5', 'later': pack(ROOM + [7])}


def figures(count):
    return b''.join(b'%d %d' % (i, i * 7) + b' 1' * 15 + b';' for i in range(count))


def main():
    for name, head in HEADS.items():
        write('http_head', name, head)
        write('http_connection', name, b'\x05' + head)
    for name, bytes_ in CONVERSATIONS.items():
        write('http_connection', name, b'\x07' + bytes_)
    for name, frames in FRAMES.items():
        write('websocket', name, b'\x03' + frames)
    for name, body in CHUNKS.items():
        write('http_chunked', name, b'\x03' + body)
    for name, body in BODIES.items():
        write('json', name, body)
    for kind, texts in FIELDS:
        for text in texts:
            digest = hashlib.sha256(text).hexdigest()[:8]
            write('fields', f'{kind}-{digest}', bytes([kind]) + text)
    for target, values in (('request', REQUESTS), ('answer', ANSWERS),
                           ('availability', AVAILABILITIES), ('news', NEWS), ('codec', CODES)):
        for name, value in values.items():
            write(target, name, pack(value))
    for target, texts in (('id', IDS), ('text', TEXTS), ('redis_url', URLS), ('config', CONFIGS),
                          ('ticket', TICKETS), ('token', TOKENS), ('room', ROOMS),
                          ('signature', SIGNATURES)):
        for name, text in texts.items():
            write(target, name, text)
    for count in (1, 2, 3):
        write('metrics', str(count), bytes([count - 1]) + figures(count))


if __name__ == '__main__':
    main()
