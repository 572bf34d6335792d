"""Every test starts from the same global state and leaves it as it was: default dtype, grad mode, random
stream, NumPy's error state. The fixture is registered for the doctests of the packages too, which lie outside
this folder."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator

import hypothesis
import numpy as np
import pytest

import autograd as ag

hypothesis.settings.register_profile(
    "wengert", deadline=None, derandomize=True, database=None, print_blob=False
)
hypothesis.settings.load_profile("wengert")


class Seal:
    """A plugin, so that its fixture reaches every collected item."""

    @pytest.fixture(autouse=True)
    def sealed_globals(self) -> Iterator[None]:
        dtype, errors, stream = ag.get_default_dtype(), np.geterr(), ag.default_generator.get_state()
        ag.manual_seed(0)
        try:
            yield
            assert ag.is_grad_enabled(), "the test left gradient mode switched off"
        finally:
            ag.set_default_dtype(dtype)
            ag.default_generator.set_state(stream)
            np.seterr(**errors)


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background by a shell without job control:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # tests press Ctrl-C
    config.pluginmanager.register(Seal(), "sealed-globals")
    os.environ.setdefault("MPLBACKEND", "Agg")  # pictures go to files; a window would need a display
    if not hasattr(config, "workerinput"):  # with pytest-xdist the first process alone, from which the others have it
        folder = tempfile.TemporaryDirectory(prefix="wengert-")  # compiled programs: never the user's, shared by all tests
        config.add_cleanup(folder.cleanup)
        os.environ["WENGERT_CACHE_DIR"] = folder.name
