"""Running a program that refuses to run as root, also when the caller is root.

Root first hides in a user namespace of its own, where the program sees an ordinary user and the files stay
root's. Where the kernel or a container forbids that, the program runs as another user, who gets the files.
"""

import ctypes
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rapport.errors import WarehouseUnavailable

CLONE_NEWUSER = 0x10000000
ORDINARY_USERS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """Whom a program runs as. `user` is None for the caller, in a namespace of its own if `hides`."""

    user: pwd.struct_passwd | None = None
    hides: bool = False

    def run(
        self, command: Sequence[str | Path], environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, away from the caller's terminal and folder.

        Raises:
            OSError: the program cannot be started.
        """
        return subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
            env=dict(environment),
            start_new_session=True,
            user=self.user.pw_uid if self.user else None,
            group=self.user.pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
            preexec_fn=_new_user_namespace() if self.hides else None,
        )

    def own(self, folder: Path) -> None:
        """Give the folder and all in it to the user; parents are left as they are.

        Raises:
            WarehouseUnavailable: the user may not enter one of the parents.
        """
        if self.user is None:
            return
        self.must_reach(folder.parent)
        for path in [folder, *folder.rglob("*")]:
            if path.lstat().st_uid != self.user.pw_uid:
                shutil.chown(path, self.user.pw_uid, self.user.pw_gid)

    def must_reach(self, folder: Path) -> None:
        """Raises:
        WarehouseUnavailable: the user may not enter the folder or one of its parents.
        """
        if self.user is None:
            return
        for parent in reversed([folder, *folder.parents]):
            status = parent.stat()
            if status.st_uid == self.user.pw_uid:
                allowed = status.st_mode & 0o100
            elif status.st_gid == self.user.pw_gid:
                allowed = status.st_mode & 0o010
            else:
                allowed = status.st_mode & 0o001
            if not allowed:
                raise WarehouseUnavailable(
                    f"PostgreSQL does not run as root, and {self.user.pw_name} may not enter {parent}; "
                    "run Rapport as an ordinary user, or set RAPPORT_HOME to a folder every user may enter, "
                    "or RAPPORT_WAREHOUSE_URL to a PostgreSQL of your own"
                )


def account_for(folder: Path) -> Account:
    """Whom a server with its files in `folder` runs as.

    Raises:
        WarehouseUnavailable: the caller is root and there is no other user to become.
    """
    if os.geteuid() != 0:
        return Account()
    owner = folder.stat().st_uid if folder.exists() else 0
    if owner != 0:
        try:
            return Account(user=pwd.getpwuid(owner))
        except KeyError:
            raise WarehouseUnavailable(
                f"{folder} belongs to user {owner}, whom this machine does not know; give it back with "
                f"chown -R, or set RAPPORT_WAREHOUSE_URL to a PostgreSQL of your own"
            ) from None
    if can_hide():
        return Account(hides=True)
    for name in ORDINARY_USERS:
        try:
            return Account(user=pwd.getpwnam(name))
        except KeyError:
            continue
    raise WarehouseUnavailable(
        "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as; "
        "run Rapport as an ordinary user, or set RAPPORT_WAREHOUSE_URL to a PostgreSQL of your own"
    )


def can_hide() -> bool:
    """Whether root may start a program in a user namespace in which it has a name."""
    if sys.platform != "linux":
        return False
    name = [
        sys.executable,
        "-c",
        "import os, pwd; pwd.getpwuid(os.geteuid()); raise SystemExit(not os.geteuid())",
    ]
    try:
        return Account(hides=True).run([name[0], "-I", "-S", *name[1:]], os.environ).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _new_user_namespace() -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: the child must not allocate much

    def unshare() -> None:
        if libc.unshare(CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "unshare")

    return unshare
