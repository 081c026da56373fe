"""Certificates in files: whether they can be read, belong to their keys, and how long they are still good."""

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ringfence_launcher.doctor.check import Check, ok, warning, wrong

SOON = dt.timedelta(days=30)


def check_certificates(files: Iterable[tuple[str, Path]], *, now: dt.datetime) -> Iterator[Check]:
    """Look at each PEM file of certificates; the name says what it is for."""
    for name, file in files:
        yield from _check_file(name, file, now)


def check_pair(name: str, cert_file: Path, key_file: Path) -> Check:
    """Look whether a certificate and a private key belong together."""
    what = f"key of {name}"
    try:
        certified = x509.load_pem_x509_certificates(cert_file.read_bytes())[0].public_key()
        held = load_pem_private_key(key_file.read_bytes(), password=None).public_key()
    except (OSError, ValueError, TypeError, IndexError) as error:
        return wrong(what, f"{key_file}: {error}", mend="name an unencrypted PEM key that can be read")
    raw = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certified.public_bytes(*raw) != held.public_bytes(*raw):
        return wrong(what, f"{key_file} is not the key of {cert_file}", mend="name the two files of one certificate")
    return ok(what, str(key_file))


def _check_file(name: str, file: Path, now: dt.datetime) -> Iterator[Check]:
    what = f"certificate: {name}"
    try:
        certificates = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        yield wrong(what, f"{file}: {error}", mend="name a PEM file with certificates that can be read")
        return
    # The one that ends first ends them all.
    ends = min(certificate.not_valid_after_utc for certificate in certificates)
    begins = max(certificate.not_valid_before_utc for certificate in certificates)
    if now < begins:
        yield wrong(what, f"{file} is not valid before {begins:%Y-%m-%d %H:%M} UTC", mend="check this machine's clock")
    elif now >= ends:
        yield wrong(what, f"{file} ended on {ends:%Y-%m-%d %H:%M} UTC", mend="replace it; services read the new one")
    elif now >= ends - SOON:
        left = (ends - now).days
        yield warning(what, f"{file} ends in {left} days", mend="replace it soon; services read the new one")
    else:
        yield ok(what, f"{file} is good until {ends:%Y-%m-%d}")
