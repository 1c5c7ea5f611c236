"""Apache Kafka's jars: found in a folder the user names, in the cache, or fetched once through Maven.

Maven knows where its repositories are (its settings may name a mirror); nothing here does. A fetch goes
to a temporary folder that is renamed when complete, so a cache folder that exists is whole. Concurrent
fetches wait for the first.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.embedded.broker.errors import UnavailableError
from streams.embedded.broker.folders import try_lock
from streams.embedded.broker.process import run_to_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streams.embedded.broker.machine import Machine

KAFKA_VERSION: Final = "4.4.0"
_OLDEST_MAJOR: Final = 4
_SIZE_MB: Final = 43
_FETCH_DEADLINE_S: Final = 600.0
_LOCK_POLL_S: Final = 0.2
_SERVER_JAR: Final = re.compile(r"kafka_2\.\d+-(?P<version>(?P<major>\d+)\.\d+[\w.]*)\.jar")

# slf4j-simple: without a binding the broker dies without a word.
_POM: Final = f"""\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>sluice</groupId>
  <artifactId>embedded-broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""


@dataclass(frozen=True, slots=True)
class KafkaJars:
    """A folder with all that Apache Kafka's broker needs."""

    folder: Path
    version: str


async def kafka_jars(machine: Machine, say: Callable[[str], None]) -> KafkaJars:
    """The jars: the user's own, else cached, else fetched.

    Args:
        machine: where to look.
        say: is told, in a sentence, what takes time.

    Raises:
        UnavailableError: they are nowhere and cannot be fetched.
    """
    if machine.jars_dir is not None:
        return _jars_in(machine.jars_dir)
    cached = machine.cache_dir / f"kafka-{KAFKA_VERSION}"
    if not cached.is_dir():
        mvn = shutil.which("mvn", path=machine.path)
        if mvn is None:
            reason = "Apache Kafka's jars are not cached, and there is no Maven (`mvn`) on PATH to bring them"
            raise UnavailableError(reason)
        await _fetch(mvn, cached, machine, say)
    return KafkaJars(cached, KAFKA_VERSION)


def _jars_in(folder: Path) -> KafkaJars:
    names = sorted(jar.name for jar in folder.glob("kafka_2.*.jar"))
    matches = [match for name in names if (match := _SERVER_JAR.fullmatch(name))]
    if not matches:
        reason = f"the folder {folder} (from SLUICE_KAFKA_JARS) has no kafka_2.13-{KAFKA_VERSION}.jar"
        raise UnavailableError(reason)
    if int(matches[0]["major"]) < _OLDEST_MAJOR:
        version = matches[0]["version"]
        reason = f"the folder {folder} (from SLUICE_KAFKA_JARS) has Kafka {version}; 4.0 is the oldest"
        raise UnavailableError(reason)
    return KafkaJars(folder.absolute(), matches[0]["version"])


async def _fetch(mvn: str, target: Path, machine: Machine, say: Callable[[str], None]) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        async with _locked(target.with_name(f"{target.name}.lock"), say):
            if target.is_dir():  # noqa: ASYNC240 - one look at a local disk
                return  # somebody else has fetched them while we waited
            say(f"fetching Apache Kafka {KAFKA_VERSION} once, {_SIZE_MB} MB ...")
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="fetching-", dir=target.parent) as folder:
                await _copy_dependencies(mvn, Path(folder), machine.path)
                (Path(folder) / "jars").rename(target)
            say(f"fetched Apache Kafka {KAFKA_VERSION} in {time.monotonic() - began:.0f} s into {target}")
    except OSError as error:
        reason = f"the cache folder {target.parent} cannot be written ({error}); name another: XDG_CACHE_HOME"
        raise UnavailableError(reason) from error


async def _copy_dependencies(mvn: str, folder: Path, path: str) -> None:
    pom, jars = folder / "pom.xml", folder / "jars"
    pom.write_text(_POM)
    code, tail = await run_to_end(
        [
            mvn, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
            "-DincludeScope=runtime", f"-DoutputDirectory={jars}",
        ],
        folder / "mvn.log",
        deadline_s=_FETCH_DEADLINE_S,
        env={"PATH": path},
    )  # fmt: skip
    if code != 0 or not list(jars.glob("kafka_2.*.jar")):
        ended = (
            f"did not finish in {_FETCH_DEADLINE_S:.0f} s" if code is None else f"ended with exit code {code}"
        )
        reason = (
            f"Maven, asked for Apache Kafka {KAFKA_VERSION}, {ended}. "
            "Check the network and Maven's settings.xml, or set SLUICE_KAFKA_JARS to a folder that has them. "
            f"Maven said:\n{tail}"
        )
        raise UnavailableError(reason)


@asynccontextmanager
async def _locked(file: Path, say: Callable[[str], None]) -> AsyncIterator[None]:
    said = False
    while (lock := try_lock(file)) is None:
        if not said:
            say(f"waiting for another process that is fetching Apache Kafka {KAFKA_VERSION} ...")
            said = True
        await asyncio.sleep(_LOCK_POLL_S)
    try:
        yield
    finally:
        os.close(lock)
