"""Bearer tokens for tests, right ones and wrong ones: made with python3-cryptography, not with the
library that usher checks them with."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from functools import cached_property

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .client import Client

ISSUER, AUDIENCE = "https://login.example", "usher"


def encode(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """A key with its name: signs, and says how others may check it."""

    def __init__(self, algorithm, kid, secret=None):
        self.algorithm, self.kid = algorithm, kid
        self.key = {
            "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
            "HS256": lambda: secret or secrets.token_bytes(32),
        }[algorithm]()

    @cached_property
    def double(self):
        """Another key under the same name."""
        return Signer(self.algorithm, self.kid)

    @cached_property
    def stranger(self):
        return Signer(self.algorithm, "stranger")

    def sign(self, text):
        if self.algorithm == "HS256":
            return hmac.new(self.key, text, hashlib.sha256).digest()
        if self.algorithm == "RS256":
            return self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.key.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.key.sign(text)

    def token(self, claims, **head):
        """`head`: members beside or in place of the usual; None leaves one out."""
        whole = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **head}
        whole = {name: value for name, value in whole.items() if value is not None}
        text = f"{encode(whole)}.{encode(claims)}".encode()
        return f"{text.decode()}.{encode(self.sign(text))}"

    def of(self, user, **claims):
        return self.token(claims_of(user, **claims))

    def pem(self):
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def private_pem(self):
        return self.key.private_bytes(serialization.Encoding.PEM,
                                      serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())

    def jwk(self, **members):
        def number(n, size=None):
            return encode(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))
        if self.algorithm == "HS256":
            made = {"kty": "oct", "k": encode(self.key), "alg": "HS256"}
        elif self.algorithm == "RS256":
            public = self.key.public_key().public_numbers()
            made = {"kty": "RSA", "n": number(public.n), "e": number(public.e)}
        elif self.algorithm == "ES256":
            public = self.key.public_key().public_numbers()
            made = {"kty": "EC", "crv": "P-256", "x": number(public.x, 32),
                    "y": number(public.y, 32)}
        else:
            raw = self.key.public_key().public_bytes(serialization.Encoding.Raw,
                                                     serialization.PublicFormat.Raw)
            made = {"kty": "OKP", "crv": "Ed25519", "x": encode(raw)}
        return {"kid": self.kid, **made, **members}


def claims_of(user, **changes):
    """Right claims, but for the changes; None leaves one out."""
    claims = {"sub": user, "exp": int(time.time()) + 3600, "iss": ISSUER, "aud": AUDIENCE}
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not None}


def write_set(path, *signers):
    path.write_text(json.dumps({"keys": [signer.jwk() for signer in signers]}))
    return path


def wrong_tokens(signer, user):
    """What must never be taken for the user's: name → Authorization, or None for no field."""
    now = int(time.time())
    right = signer.of(user)
    head, claims, signature = right.split(".")
    known = b"a guess" * 5 if signer.algorithm == "HS256" else signer.pem()
    with_public_key = Signer("HS256", signer.kid, secret=known)
    other_claims = encode(claims_of("mallory"))
    tokens = {
        "expired": signer.of(user, exp=now - 60),
        "not yet valid": signer.of(user, nbf=now + 3600),
        "no end": signer.of(user, exp=None),
        "an end that is no number": signer.of(user, exp="soon"),
        "other audience": signer.of(user, aud="others"),
        "other audiences": signer.of(user, aud=["others", "usher2"]),
        "no audience": signer.of(user, aud=None),
        "other issuer": signer.of(user, iss=ISSUER + "/"),
        "no issuer": signer.of(user, iss=None),
        "no user": signer.of(None),
        "empty user": signer.of(""),
        "user that is no text": signer.of(7),
        "user with a control character": signer.of("a\nb"),
        "user too long": signer.of("u" * 129),
        "forged": signer.double.of(user),
        "claims changed": f"{head}.{other_claims}.{signature}",
        "signature cut": right[:-4],
        "signature of another text": f"{head}.{claims}.{signer.of('eve').split('.')[2]}",
        "no signature": f"{head}.{claims}.",
        "two parts": f"{head}.{claims}",
        "five parts": f"{right}.{claims}.{claims}",
        "unknown kid": signer.stranger.of(user),
        "known key, unknown kid": signer.token(claims_of(user), kid="stranger"),
        "alg none": f"{encode({'alg': 'none', 'kid': signer.kid})}.{claims}.",
        "alg none, signed": signer.token(claims_of(user), alg="none"),
        "alg None": signer.token(claims_of(user), alg="None"),
        "no alg": signer.token(claims_of(user), alg=None),
        "alg of another kind": signer.token(claims_of(user), alg="RS384"),
        "public key as a secret": with_public_key.token(claims_of(user)),
        "own key in the head": signer.double.token(claims_of(user), jwk=signer.double.jwk()),
        "another type of token": signer.token(claims_of(user), typ="logout+jwt"),
        "a type that is no text": signer.token(claims_of(user), typ=1),
        "critical extension": signer.token(claims_of(user), crit=["b64"], b64=False),
        "not base64": "!!!.???.###",
        "padded": f"{head}=.{claims}.{signature}",
        "not json": f"{encode(b'nonsense')}.{claims}.{signature}",
        "nested": f"{encode(b'[' * 5000)}.{claims}.{signature}",
        "empty": "",
    }
    fields = {name: f"Bearer {token}" for name, token in tokens.items()}
    fields.update({"none": None, "other scheme": "Basic YW5uOmFubg==", "scheme alone": "Bearer",
                   "no scheme": right})
    return fields


class Asker(Client):
    """A client that bears a token."""

    def __init__(self, port, authorization, **options):
        super().__init__(port, **options)
        self.authorization = authorization

    def ask(self, method, path, body=None, headers=None, **options):
        headers = dict(headers or {})
        if self.authorization is not None:
            headers.setdefault("Authorization", self.authorization)
        return super().ask(method, path, body, headers, **options)
