/** login and logout: at registries that want a password or a token, with credential helpers. */
import { assertEquals } from "@std/assert";
import { ImageBox, oldDockerArchive } from "../lib/image_box.ts";
import { canServe, type Login, PASSWORD, Registry, USER } from "../lib/registry.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const OPTIONS = skipUnless(isRoot() && canServe(), "needs root, docker-registry and openssl");

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...OPTIONS, fn });
}

async function loaded(box: ImageBox, tag: string): Promise<void> {
  const layers = [["dir bin", "file bin/tool one mode=4755"]];
  const path = box.file("image.tar", oldDockerArchive({ tags: [tag], layers }));
  await box.ok("load", "-i", path);
}

for (const login of ["basic", "token"] as Login[]) {
  test(`login, push, pull and logout at a registry with ${login} login`, async () => {
    await using registry = await Registry.start(login);
    using box = new ImageBox();
    const name = `${registry.host}/private/app:1`;
    await loaded(box, name);
    const before = await box.run("push", name);
    const [denied, wrongPassword, absent] = {
      basic: [
        "no basic auth credentials",
        `login attempt to http://${registry.host}/v2/ failed with status: 401 Unauthorized`,
        `Get "http://${registry.host}/v2/private/app/manifests/1": no basic auth credentials`,
      ],
      token: [
        "denied: requested access to the resource is denied",
        `Get "http://${registry.host}/v2/": unauthorized: wrong password`,
        `pull access denied for ${registry.host}/private/app, repository does not exist or may ` +
        "require 'docker login': denied: requested access to the resource is denied",
      ],
      none: [],
    }[login];
    assertEquals([before.code, before.err], [1, `${denied}\n`]);
    const wrong = await box.feed(
      new TextEncoder().encode("wrong\n"),
      ...["login", "-u", USER, "--password-stdin", registry.host],
    );
    assertEquals(wrong.code, 1);
    assertEquals(wrong.err, `Error response from daemon: ${wrongPassword}\n`);
    const right = await box.feed(
      new TextEncoder().encode(`${PASSWORD}\n`),
      ...["login", "-u", USER, "--password-stdin", registry.host],
    );
    assertEquals([right.code, right.out], [0, "Login Succeeded\n"], right.err);
    const config = JSON.parse(Deno.readTextFileSync(`${box.top}/docker/config.json`));
    assertEquals(atob(config.auths[registry.host].auth), `${USER}:${PASSWORD}`);
    assertEquals(Deno.statSync(`${box.top}/docker/config.json`).mode! & 0o777, 0o600);
    const again = await box.run("login", registry.host);
    assertEquals(again, {
      code: 0,
      out: "Login Succeeded\n",
      err: `Authenticating with existing credentials... [Username: ${USER}]\n\n Info -> To login ` +
        "with a different account, run 'diplodock logout' followed by 'diplodock login'\n\n\n",
    });
    await box.ok("push", name);
    await box.ok("rmi", name);
    await box.ok("pull", name);
    assertEquals(
      await box.ok("logout", registry.host),
      `Removing login credentials for ${registry.host}`,
    );
    const after = await box.run("pull", name);
    assertEquals(after.code, 1);
    assertEquals(after.err, `Error response from daemon: ${absent}\n`);
    assertEquals(
      await box.ok("logout", registry.host),
      `Removing login credentials for ${registry.host}`,
    );
  });
}

test("a token registry lets anybody pull what is public", async () => {
  await using registry = await Registry.start("token");
  using box = new ImageBox();
  const name = `${registry.host}/public/app:1`;
  await loaded(box, name);
  const stdin = new TextEncoder().encode(PASSWORD);
  await box.feed(stdin, "login", "-u", USER, "--password-stdin", registry.host);
  await box.ok("push", name);
  using stranger = new ImageBox();
  await stranger.ok("pull", name);
  const push = await stranger.run("push", name);
  assertEquals(push.code, 1);
});

test("login through a credential helper leaves nothing in config.json", async () => {
  await using registry = await Registry.start("basic");
  using box = new ImageBox();
  Deno.mkdirSync(`${box.top}/bin`);
  Deno.mkdirSync(`${box.top}/docker`);
  box.file("docker/config.json", '{"credsStore":"test"}');
  const helper = box.file(
    "bin/docker-credential-test",
    `#!/bin/sh
d=${box.top}/kept
case $1 in
  store) cat >$d ;;
  get) [ -f $d ] && cat $d || { echo credentials not found in native keychain; exit 1; } ;;
  erase) rm $d ;;
esac
`,
  );
  Deno.chmodSync(helper, 0o755);
  Object.assign(box.env, { PATH: `${box.top}/bin:${Deno.env.get("PATH")}` });
  const stdin = new TextEncoder().encode(PASSWORD);
  const login = await box.feed(stdin, "login", "-u", USER, "--password-stdin", registry.host);
  assertEquals(login.code, 0, login.err);
  assertEquals(login.err, "");
  const config = Deno.readTextFileSync(`${box.top}/docker/config.json`);
  assertEquals(config.includes(btoa(`${USER}:${PASSWORD}`)), false);
  await loaded(box, `${registry.host}/x:1`);
  await box.ok("push", `${registry.host}/x:1`);
  await box.ok("logout", registry.host);
  assertEquals((await box.run("push", `${registry.host}/x:1`)).code, 1);
});

Deno.test({
  name: "a credential helper that is not there keeps nobody from what is public",
  ...OPTIONS,
  async fn() {
    await using open = await Registry.start("none");
    await using closed = await Registry.start("basic");
    using box = new ImageBox();
    await box.ok("load", "-i", box.file("a.tar", oldDockerArchive({ layers: [["file a x"]] })));
    const id = await box.ok("images", "-q");
    Deno.mkdirSync(`${box.top}/docker`, { recursive: true });
    Deno.writeTextFileSync(`${box.top}/docker/config.json`, '{"credsStore":"not-here"}');
    for (const { host } of [open, closed]) await box.ok("tag", id, `${host}/app:1`);
    await box.ok("push", `${open.host}/app:1`);
    const { code, err } = await box.run("push", `${closed.host}/app:1`);
    const why = 'exec: "docker-credential-not-here": executable file not found in $PATH';
    assertEquals([code, err], [1, `error getting credentials - err: ${why}\n`]);
  },
});
