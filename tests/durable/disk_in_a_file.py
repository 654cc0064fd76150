"""An ext4 file system in a file, whose power can be cut: what was not synced is gone.

The ioctl that shuts a file system down (Linux, ``fs/ext4/ioctl.c``; xfstests uses it for the same)
stops all writing at once. With ``LOG_FLUSHED`` the log is written first, so that names may be there
whose bytes are not; with ``LOG_LOST`` it is not.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "main_job"))

from events import users_of, waiting_for

LOG_FLUSHED, LOG_LOST = 1, 2
_SHUTDOWN = 0x8004587D
_BYTES = 512 << 20
_PATIENCE_S = 10.0


class DiskInAFile:
    """A file system of our own, mounted at ``place`` inside the block of ``with``."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "disk.img"
        self.place = folder / "disk"

    def __enter__(self) -> "DiskInAFile":
        self.place.mkdir()
        with self._image.open("wb") as image:
            image.truncate(_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-E", "nodiscard,root_owner", str(self._image))
        self._mount()
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.place)], check=False)
        self._image.unlink()

    def cut(self, how: int) -> None:
        """Cut the power; ``recover`` brings the disk back."""
        fd = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(fd)

    def recover(self) -> None:
        """Mount anew, as after a cut, once every process that used it is gone."""
        with waiting_for(users_of(self.place), _PATIENCE_S):
            pass
        _run("umount", str(self.place))
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.place))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def lacking(folder: Path) -> str | None:
    """Why no power can be cut here, or None."""
    missing = [tool for tool in ("mkfs.ext4", "mount", "losetup") if shutil.which(tool) is None]
    if sys.platform != "linux" or os.geteuid() != 0 or missing:
        return f"NOT TESTED HERE: power cuts; they need Linux, root and {missing or 'loop devices'}"
    try:
        folder.mkdir()
        with DiskInAFile(folder) as disk:
            disk.cut(LOG_LOST)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"NOT TESTED HERE: power cuts; no loop device, ext4 or shutdown ioctl: {error}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return None
