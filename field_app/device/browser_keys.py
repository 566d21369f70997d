"""Signing and sealing by the browser's WebCrypto (keys.js). Imported only there."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from field_app.device.contract import Seal, SigningFailed

if TYPE_CHECKING:  # these modules exist in Pyodide alone, and have no type information
    JsException: type[Exception]
    run_js: Any
    to_js: Any
else:
    from pyodide.code import run_js
    from pyodide.ffi import JsException, to_js


class BrowserKeys:
    """Implements Signer and Sealer."""

    def __init__(self) -> None:
        self._script: Any = None

    def _keys(self) -> Any:
        if self._script is None:
            self._script = run_js(Path(__file__).with_name("keys.js").read_text(encoding="utf-8"))
        return self._script

    async def public_key(self) -> bytes | None:
        try:
            key = await self._keys().publicKey()
        except JsException as fault:
            raise SigningFailed(str(fault)) from fault
        return None if key is None else bytes(key.to_bytes())

    async def sign(self, text: bytes) -> bytes:
        try:
            signature = await self._keys().sign(to_js(text))
        except JsException as fault:
            raise SigningFailed(str(fault)) from fault
        return bytes(signature.to_bytes())

    async def agree(self, office_key: bytes, salt: bytes, info: bytes) -> Seal:
        try:
            agreed = await self._keys().agree(to_js(office_key), to_js(salt), to_js(info))
        except JsException as fault:
            raise ValueError(str(fault)) from fault
        return _BrowserSeal(agreed)


class _BrowserSeal:
    def __init__(self, agreed: Any) -> None:
        self._agreed = agreed

    @property
    def ephemeral_key(self) -> bytes:
        return bytes(self._agreed.ephemeralKey.to_bytes())

    async def sealed(self, data: bytes, nonce: bytes, associated_data: bytes) -> bytes:
        sealed = await self._agreed.seal(to_js(data), to_js(nonce), to_js(associated_data))
        return bytes(sealed.to_bytes())
