#!/usr/bin/env python3
"""Fetches PostgreSQL's programs from Maven Central, compares the checksum, and lays them out in a folder.

Usage: postgres.py FOLDER PLATFORM VERSION SHA256
"""

import hashlib
import io
import os
import sys
import tarfile
import urllib.request
import zipfile

folder, platform, version, expected = sys.argv[1:]
maven = os.environ.get("PORTCULLIS_MAVEN", "https://repo1.maven.org/maven2").rstrip("/")
name = f"embedded-postgres-binaries-{platform}"
url = f"{maven}/io/zonky/test/postgres/{name}/{version}/{name}-{version}.jar"
try:
    with urllib.request.urlopen(url, timeout=120) as answer:
        jar = answer.read()
except OSError as error:
    sys.exit(f"{url}: {error}")
found = hashlib.sha256(jar).hexdigest()
if found != expected:
    sys.exit(f"{url} has the checksum {found}, not {expected}: not used")
with zipfile.ZipFile(io.BytesIO(jar)) as archive:
    inner = next(name for name in archive.namelist() if name.endswith(".txz"))
    with tarfile.open(fileobj=io.BytesIO(archive.read(inner)), mode="r:xz") as files:
        if hasattr(tarfile, "data_filter"):
            files.extractall(folder, filter="data")
        else:
            files.extractall(folder)
