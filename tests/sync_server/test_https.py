"""`doorstep serve` with a certificate: the office speaks HTTPS itself, and says so in links and cookies."""

import socket
import ssl
from pathlib import Path

import httpx

from tests.sync_server.serving import PATIENCE_SECONDS
from tests.sync_server.test_serve import doorstep

# A certificate for localhost that nobody trusts, valid until 2126; its key is public here and protects nothing.
CERTIFICATE_AND_KEY = """\
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUTyneI1yjDSjLqEF/EYPfu3v2ORowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTIzMjYwMFoYDzIxMjYxMDI4
MjMyNjAwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARGgeyd5j5gOaNM0Nk1ustq/OoVFlixKdI0ezTyuE/fAycM1ygPeGml
m9f3w0buKcYmqskqlBe8aU+JX5pKXnVIo28wbTAdBgNVHQ4EFgQUrnXe60hndvey
3fK/KrcT5vHDVf0wHwYDVR0jBBgwFoAUrnXe60hndvey3fK/KrcT5vHDVf0wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAOZh3d31M7pIPHqHq+dPvnXRcJ1cpRY6LFhyu3A1wNQxAiBu
QqmNntpoaIDjy7FpiFneq76RPYATTiMYRVMjfHtjMw==
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZs1Bem23sARVYCA/
lwz/Vil+Olb7hCMDfsQJf5VXXfmhRANCAARGgeyd5j5gOaNM0Nk1ustq/OoVFlix
KdI0ezTyuE/fAycM1ygPeGmlm9f3w0buKcYmqskqlBe8aU+JX5pKXnVI
-----END PRIVATE KEY-----
"""


def test_with_a_certificate_the_office_speaks_https(tmp_path: Path) -> None:
    """One file may hold both; the session's cookie then never travels in the clear, and plain HTTP gets nothing."""
    pem = tmp_path / "office.pem"
    pem.write_text(CERTIFICATE_AND_KEY, encoding="utf-8")
    trusting = ssl.create_default_context(cafile=pem)
    given = {"DOORSTEP_TLS_CERTIFICATE": str(pem), "DOORSTEP_TLS_KEY": str(pem)}
    with doorstep("serve", "--port", "0", "--data", str(tmp_path / "data"), **given) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert address.startswith("https://")
        with httpx.Client(verify=trusting, timeout=PATIENCE_SECONDS) as client:
            assert client.get(f"{address}/health").json() == {"status": "ok"}
            assert "Secure" in client.get(f"{address}/sign-in").headers["set-cookie"]
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), PATIENCE_SECONDS) as plain:
            plain.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"status" not in plain.recv(1000)
