"""Who the embedded PostgreSQL runs as when the service runs as root, and what that user may pass through.

PostgreSQL refuses to run as root, so root lends it the system user `pgserver` (the name the wheel uses
itself). That user must walk through the folders above its data and its programs: each closed one is opened
for passing only, for that one user (a POSIX ACL, or `o+x` where the file system has none). Folders already
open are left alone, nothing becomes listable or readable, and files keep their modes: a key file of 0600
beside the data stays root's.
"""

import errno
import os
import pwd
import stat
import struct
import subprocess
from pathlib import Path

from msgspec import Struct

from assent.core.errors import DatabaseUnavailable

_NAME = "pgserver"

# linux/posix_acl_xattr.h: a version word, then (tag, permissions, id) per entry, in this order of tags.
_ACL = "system.posix_acl_access"
_VERSION = struct.pack("<I", 2)
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NOBODY = 0xFFFFFFFF
_PASS = 0o1


class ServerUser(Struct, frozen=True, kw_only=True):
    """The system user that the server's processes run as."""

    uid: int
    gid: int


def server_user() -> ServerUser | None:
    """Return the user to run the server as, None if it is ourselves; as root, make it if it is missing.

    Raises DatabaseUnavailable where root cannot add a user.
    """
    if os.geteuid() != 0:
        return None
    entry = _entry() or _added()
    return ServerUser(uid=entry.pw_uid, gid=entry.pw_gid)


def let_through(path: Path, user: ServerUser) -> None:
    """Let `user` pass through the folder `path` and each folder above it, opening only what is closed."""
    if _can_enter(path, user):
        return
    for folder in (*reversed(path.parents), path):
        if not _can_enter(folder, user):
            _open(folder, user)


def let_read(programs: Path, user: ServerUser) -> None:
    """Let `user` read and run a folder of the wheel, which a strict umask at installation may have closed."""
    let_through(programs.parent, user)
    if programs.stat().st_mode & stat.S_IXOTH:
        return  # a umask closes all of it or nothing
    for path in (*programs.rglob("*"), programs):  # the folder last: a crash in between is noticed next time
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o044 | (0o011 if mode & stat.S_IXUSR else 0))


def _entry() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(_NAME)
    except KeyError:
        return None


def _added() -> pwd.struct_passwd:
    command = [
        "useradd",
        "--system",
        "--user-group",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        _NAME,
    ]
    try:
        subprocess.run(command, check=False, capture_output=True)  # a second start may be adding it too
    except FileNotFoundError as cause:
        message = "PostgreSQL does not run as root and `useradd` is missing: start as another user"
        raise DatabaseUnavailable(message) from cause
    entry = _entry()
    if entry is None:
        message = (
            f"PostgreSQL does not run as root and the user {_NAME} cannot be added: start as another user"
        )
        raise DatabaseUnavailable(message)
    return entry


def _can_enter(folder: Path, user: ServerUser) -> bool:
    # Asked of the kernel as that user, so that groups, ACLs and mounts count as they are.
    asked = subprocess.run(
        ["/bin/sh", "-c", 'cd -- "$1"', "sh", folder],
        check=False,
        capture_output=True,
        cwd="/",
        user=user.uid,
        group=user.gid,
        extra_groups=[],
    )
    return asked.returncode == 0


def _open(folder: Path, user: ServerUser) -> None:
    try:
        os.setxattr(folder, _ACL, _with_passage(_entries(folder), user))
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)


def _entries(folder: Path) -> list[tuple[int, int, int]]:
    """Return the folder's ACL, made of its mode where it has none."""
    try:
        return list(struct.iter_unpack("<HHI", os.getxattr(folder, _ACL)[len(_VERSION) :]))
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
    mode = folder.stat().st_mode
    return [
        (_OWNER, mode >> 6 & 0o7, _NOBODY),
        (_GROUP, mode >> 3 & 0o7, _NOBODY),
        (_OTHER, mode & 0o7, _NOBODY),
    ]


def _with_passage(entries: list[tuple[int, int, int]], user: ServerUser) -> bytes:
    own = next((rights for tag, rights, owner in entries if tag == _USER and owner == user.uid), 0)
    kept = [entry for entry in entries if entry[0] != _MASK and entry[::2] != (_USER, user.uid)]
    kept.append((_USER, own | _PASS, user.uid))
    # The mask bounds named users and all groups. Made anew from what they have, it takes nothing away; where
    # an old mask bounded them, their rights are cut to it first, so that nobody gains by the new one.
    old = next((rights for tag, rights, _ in entries if tag == _MASK), 0o7)
    bounded = [
        (tag, rights & old if tag in (_USER, _GROUP, _NAMED_GROUP) and owner != user.uid else rights, owner)
        for tag, rights, owner in kept
    ]
    mask = 0
    for tag, rights, _ in bounded:
        if tag in (_USER, _GROUP, _NAMED_GROUP):
            mask |= rights
    bounded.append((_MASK, mask, _NOBODY))
    return _VERSION + b"".join(
        struct.pack("<HHI", *entry) for entry in sorted(bounded, key=lambda e: (e[0], e[2]))
    )
