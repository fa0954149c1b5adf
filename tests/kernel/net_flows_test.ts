import dgram from "node:dgram";
import { once } from "node:events";
import { assertEquals } from "@std/assert";
import { waitFor } from "../lib/engine.ts";
import { type Container, Host, HOST_IP, HOST_IP6, isRoot } from "./net_host.ts";

async function bindUdp(host: string, port: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.bind(port, host);
  await once(socket, "listening");
  return socket;
}

/** A server in a container that answers every datagram with what it `says`. */
async function answer(host: Host, container: Container, address: string, says: string) {
  const server = await host.within(container.sandbox, () => bindUdp(address, 53));
  server.on("message", (_data, from) => server.send(says, from.port, from.address));
  return server;
}

const FAMILIES: [name: string, any: string, hostIp: string, ipv6: boolean][] = [
  ["IPv4", "0.0.0.0", HOST_IP, false],
  ["IPv6", "::", HOST_IP6, true],
];
for (const [name, any, hostIp, ipv6] of FAMILIES) {
  Deno.test({
    name: `a client that goes on sending by ${name} reaches whoever has the port now`,
    ignore: !isRoot,
    fn: async () => {
      await using host = new Host();
      if (ipv6) Deno.env.set("DIPLODOCK_IPV6", "1");
      try {
        const portBindings = { "53/udp": [{ HostIp: "", HostPort: "5353" }] };
        const first = await host.connect({ portBindings });
        const server = await answer(host, first, any, "first");
        const client = await host.within(host.other, () => bindUdp(any, 4545));
        let heard = "";
        client.on("message", (data) => heard = String(data));
        const hears = (text: string) =>
          waitFor(() => {
            client.send("x", 5353, hostIp);
            return heard === text;
          }).catch(() => assertEquals(heard, text));
        await hears("first");
        server.close();
        await host.end(first);
        client.send("to nobody", 5353, hostIp);
        // It has the address of the first one, but not its port.
        const other = await host.connect();
        assertEquals(other.ip, first.ip);
        const wrong = await answer(host, other, any, "other");
        const next = await host.connect({ portBindings });
        const right = await answer(host, next, any, "next");
        await hears("next");
        for (const socket of [client, wrong, right]) socket.close();
      } finally {
        Deno.env.delete("DIPLODOCK_IPV6");
      }
    },
  });
}
