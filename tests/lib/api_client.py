"""What docker's library for Python does over the API; says which of its parts was wrong."""
import io
import tarfile

import docker

client = docker.from_env()
none = {"network_mode": "none"}

assert client.ping() is True
assert client.version()["ApiVersion"] == "1.50"
assert client.info()["DefaultRuntime"] == "diplodock"

out = client.containers.run("host", ["sh", "-c", "echo out; echo err >&2"], remove=True,
                            stderr=True, **none)
assert out == b"out\nerr\n", out
try:
    client.containers.run("host", ["sh", "-c", "exit 3"], remove=True, **none)
    raise SystemExit("the exit code was lost")
except docker.errors.ContainerError as error:
    assert error.exit_status == 3, error

box = client.containers.run("host", ["sleep", "1000"], detach=True, name="box",
                            labels={"a": "b"}, mem_limit="64m", **none)
assert box.status in ("created", "running"), box.status
assert [c.name for c in client.containers.list(filters={"label": "a=b"})] == ["box"]
assert box.attrs["HostConfig"]["Memory"] == 64 << 20

code, output = box.exec_run(["sh", "-c", "echo o; echo e >&2; exit 4"], demux=True)
assert (code, output) == (4, (b"o\n", b"e\n")), (code, output)
code, output = box.exec_run(["sh", "-c", "tty; echo t"], tty=True)
assert code == 0 and output.endswith(b"t\r\n"), (code, output)
made = client.api.exec_create(box.id, ["cat"], stdin=True)["Id"]
stream = client.api.exec_start(made, socket=True)._sock
stream.sendall(b"fed\n")
stream.shutdown(1)
got = b""
while chunk := stream.recv(100):
    got += chunk
assert got == b"\x01\0\0\0\0\0\0\x04fed\n", got
assert client.api.exec_inspect(made)["ExitCode"] == 0

data = io.BytesIO()
with tarfile.open(fileobj=data, mode="w") as tar:
    entry = tarfile.TarInfo("file")
    entry.size = 5
    tar.addfile(entry, io.BytesIO(b"bytes"))
assert box.put_archive("/tmp", data.getvalue()) is True
parts, stat = box.get_archive("/tmp/file")
assert (stat["name"], stat["size"]) == ("file", 5), stat
with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as tar:
    assert tar.extractfile("file").read() == b"bytes"
try:
    box.get_archive("/missing")
    raise SystemExit("a missing file was found")
except docker.errors.NotFound:
    pass

usage = box.stats(stream=False)
assert usage["memory_stats"]["limit"] == 64 << 20, usage
assert usage["cpu_stats"]["system_cpu_usage"] > usage["precpu_stats"]["system_cpu_usage"]
assert next(box.stats(decode=True))["name"] == "/box"
assert "sleep 1000" in str(box.top()["Processes"])
box.pause()
box.reload()
assert box.status == "paused"
box.unpause()
box.rename("other")
box.update(mem_limit="128m", memswap_limit="256m")
box.restart(timeout=0)
box.stop(timeout=0)
assert box.wait()["StatusCode"] == 137
box.start()
try:
    client.containers.run("host", "true", name="other", **none)
    raise SystemExit("a name was given twice")
except docker.errors.APIError as error:
    assert error.status_code == 409, error
box.remove(force=True)
try:
    client.containers.get("other")
    raise SystemExit("a removed container was found")
except docker.errors.NotFound:
    pass

late = client.containers.create("host", ["sh", "-c", "read x; echo got $x; echo e >&2"],
                                stdin_open=True, **none)
socket = late.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})._sock
late.start()
socket.sendall(b"word\n")
got = b""
while chunk := socket.recv(100):
    got += chunk
assert got == b"\x01\0\0\0\0\0\0\x09got word\n\x02\0\0\0\0\0\0\x02e\n", got
assert late.attach(logs=True, stdout=True, stderr=False) == b"got word\n"
assert late.logs(stdout=False, stderr=True) == b"e\n"
assert b"".join(late.logs(stream=True, follow=True)) == b"got word\ne\n"
assert client.containers.prune()["ContainersDeleted"] == [late.id]
print("all right")
