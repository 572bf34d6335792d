"""Writing pictures to files."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from autograd.errors import FileError

__all__ = ["write"]


def write(path: Path, content: bytes) -> None:
    """Write beside the target and put it in place at once; an old file stays whole if anything fails."""
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(6)}")
    try:
        try:
            with open(temporary, "xb") as file:
                file.write(content)
            if path.exists():
                os.chmod(temporary, path.stat().st_mode & 0o777)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"cannot write the picture to {str(path)!r}: {error.strerror or error}.") from None
