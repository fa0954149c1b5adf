/** Networks: listed, looked at, made, removed; containers joined to them. */
import { untilMillis } from "../base/filter.ts";
import { sweep } from "../engine/cleanup.ts";
import { connectNetwork, disconnectNetwork } from "../engine/container_networks.ts";
import { emptyEndpoint } from "../engine/host_config.ts";
import { NETWORK_FILTERS, networksWanted } from "../engine/network_listing.ts";
import {
  addNetwork,
  checkAddresses,
  inspectNetwork,
  listNetworks,
  type NetworkRecord,
  removeNetwork,
} from "../engine/networks.ts";
import { pruneNetworks } from "../engine/prune_networks.ts";
import type { EndpointSettings } from "../engine/types.ts";
import { fields, list as listOf, map, text, truth } from "../image/shape.ts";
import { namedContainer } from "./containers.ts";
import { ENDPOINT, pick } from "./create_body.ts";
import { type Exchange, orNull } from "./exchange.ts";
import { ApiError } from "./http_head.ts";

/** GET /networks. */
export async function list(exchange: Exchange): Promise<void> {
  const filters = exchange.query.filters(NETWORK_FILTERS);
  const networks = await listNetworks((error) => console.error(error.message));
  await exchange.json(200, networksWanted(networks, filters));
}

/** GET /networks/{id}. */
export async function inspect(exchange: Exchange): Promise<void> {
  await exchange.json(200, await inspectNetwork(exchange.parts.id));
}

interface Pool {
  readonly Subnet?: string;
  readonly IPRange?: string;
  readonly Gateway?: string;
  readonly AuxiliaryAddresses?: Record<string, string>;
  /** As the records of networks, and older clients, spell it. */
  readonly AuxAddress?: Record<string, string>;
}

interface NetworkBody {
  readonly Name: string;
  readonly Driver: string;
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigOnly: boolean;
  readonly Scope: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly Options: Record<string, string>;
  readonly Labels: Record<string, string>;
  readonly IPAM: {
    readonly Driver?: string;
    readonly Config?: readonly Pool[];
    readonly Options?: Record<string, string>;
  };
}

const BODY = {
  Name: text,
  Driver: text,
  Internal: truth,
  Attachable: truth,
  Ingress: truth,
  ConfigOnly: truth,
  Scope: text,
  EnableIPv4: truth,
  EnableIPv6: truth,
  Options: map(text),
  Labels: map(text),
  IPAM: fields({
    Driver: text,
    Config: listOf(fields({
      Subnet: text,
      IPRange: text,
      Gateway: text,
      AuxiliaryAddresses: map(text),
      AuxAddress: map(text),
    })),
    Options: map(text),
  }),
};

const given = (texts: readonly (string | undefined)[]) =>
  texts.filter((one) => one !== undefined && one !== "") as string[];

/** POST /networks/create. */
export async function create(exchange: Exchange): Promise<void> {
  const body = pick<NetworkBody>(await exchange.body.json(), BODY, "Network");
  if (body.Ingress || body.ConfigOnly || body.Scope === "swarm") {
    throw new ApiError(400, "networks of a swarm are not part of Diplodock");
  }
  const { Driver = "", Config: pools = [], Options: ipamOptions = {} } = body.IPAM ?? {};
  const auxiliary = pools.flatMap((pool) => Object.entries(auxiliaryOf(pool)));
  const wish = {
    name: body.Name ?? "",
    driver: body.Driver || "bridge",
    subnets: given(pools.map(({ Subnet }) => Subnet)),
    gateways: given(pools.map(({ Gateway }) => Gateway)),
    ranges: given(pools.map(({ IPRange }) => IPRange)),
    auxAddresses: auxiliary.map(([name, address]) => `${name}=${address}`),
    internal: body.Internal ?? false,
    ipv4: body.EnableIPv4 ?? true,
    ipv6: body.EnableIPv6 ?? false,
    attachable: body.Attachable ?? false,
    options: body.Options ?? {},
    ipamOptions,
    ipamDriver: Driver || "default",
    labels: body.Labels ?? {},
  };
  checkAddresses(wish);
  const network: NetworkRecord = await addNetwork(wish);
  await exchange.json(201, { Id: network.Id, Warning: "" });
}

function auxiliaryOf({ AuxiliaryAddresses, AuxAddress }: Pool): Record<string, string> {
  return AuxiliaryAddresses ?? AuxAddress ?? {};
}

/** DELETE /networks/{id}. */
export async function remove(exchange: Exchange): Promise<void> {
  await sweep();
  await removeNetwork(exchange.parts.id);
  await exchange.empty(204);
}

/** POST /networks/{id}/connect. */
export async function connect(exchange: Exchange): Promise<void> {
  const shapes = { Container: text, EndpointConfig: fields(ENDPOINT) };
  const body = pick<{ Container: string; EndpointConfig: Partial<EndpointSettings> }>(
    await exchange.body.json(),
    shapes,
    "Connect",
  );
  await sweep();
  await connectNetwork(exchange.parts.id, namedContainer(body.Container ?? ""), {
    ...emptyEndpoint(),
    ...pick<EndpointSettings>(body.EndpointConfig ?? {}, ENDPOINT, "EndpointConfig"),
  });
  await exchange.empty(200);
}

/** POST /networks/{id}/disconnect. */
export async function disconnect(exchange: Exchange): Promise<void> {
  const { Container = "", Force = false } = pick<{ Container: string; Force: boolean }>(
    await exchange.body.json(),
    { Container: text, Force: truth },
    "Disconnect",
  );
  await sweep();
  await disconnectNetwork(exchange.parts.id, Container, Force);
  await exchange.empty(200);
}

/** POST /networks/prune. */
export async function prune(exchange: Exchange): Promise<void> {
  const filters = exchange.query.filters(["label", "label!", "until"]);
  const until = untilMillis(filters);
  await sweep();
  await exchange.json(200, {
    NetworksDeleted: orNull(await pruneNetworks(filters, until)),
  });
}
