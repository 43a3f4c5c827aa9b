"""Ed25519 signatures with keys as OpenSSL writes them (PEM); the only module that imports ``cryptography``.

``openssl genpkey -algorithm ed25519 -out private.pem`` makes a key, ``openssl pkey -in private.pem -pubout -out
public.pem`` its public half.
"""

from __future__ import annotations

from pathlib import Path

from testbed.core.errors import UsageError
from testbed.core.extras import explained

_WANTED = "wanted is an Ed25519 key as PEM; docs/safety-case.md says how to make one"


def sign(content: bytes, key: Path) -> bytes:
    """Return the signature of some bytes, 64 bytes.

    Args:
        content: What is signed.
        key: PEM file of an Ed25519 private key without a password.

    Raises:
        MissingExtraError: The extra that signs is not installed.
        UsageError: The file is no such key.
    """
    with explained("a signature"):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    try:
        content_of_key = _read(key, f"openssl genpkey -algorithm ed25519 -out {key} makes one")
        found = load_pem_private_key(content_of_key, password=None)
    except (ValueError, TypeError) as error:
        if b"ENCRYPTED" in content_of_key:
            hint = "decrypt it first, into a new file: openssl pkey -in ENCRYPTED.pem -out NEW.pem"
            raise UsageError(f"{key} is encrypted", hint=hint) from None
        if b"PUBLIC KEY" in content_of_key:
            raise UsageError(f"{key} is a public key, no private key", hint="sign with its private half") from None
        raise UsageError(f"{key} is no private key that can be read: {error}", hint=_WANTED) from None
    if not isinstance(found, Ed25519PrivateKey):
        raise UsageError(f"{key} is no Ed25519 key", hint=_WANTED)
    return found.sign(content)


def is_signed_by(content: bytes, signature: bytes, key: Path) -> bool:
    """Tell whether a signature is that of some bytes by the owner of a key.

    Args:
        content: What was signed.
        signature: Its signature.
        key: PEM file of an Ed25519 public key.

    Raises:
        MissingExtraError: The extra that signs is not installed.
        UsageError: The file is no such key.
    """
    with explained("a signature"):
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    try:
        content_of_key = _read(key, "ask who signed the bundle for the public key")
        found = load_pem_public_key(content_of_key)
    except ValueError as error:
        if b"PRIVATE KEY" in content_of_key:
            hint = f"its public half checks: openssl pkey -in {key} -pubout -out public.pem"
            raise UsageError(f"{key} is a private key, no public key", hint=hint) from None
        raise UsageError(f"{key} is no public key that can be read: {error}", hint=_WANTED) from None
    if not isinstance(found, Ed25519PublicKey):
        raise UsageError(f"{key} is no Ed25519 key", hint=_WANTED)
    try:
        found.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _read(key: Path, hint: str) -> bytes:
    try:
        return key.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{key} cannot be read: there is no such file", hint=hint) from None
    except OSError as error:
        raise UsageError(f"{key} cannot be read: {error.strerror or error}", hint=_WANTED) from None
