/** The layout of the maps that the programs of the names share, in bytes. Pure. */

/** The key of a name: who knows it (a network, or one container), and the name. */
export const NAME_KEY = { bytes: 128, scope: 0, name: 8, nameBytes: 120 } as const;

/** What is known of a name. */
export const NAME_VALUE = {
  bytes: 200,
  count4: 0,
  count6: 1,
  /** The length of a name in a packet's form, which is what an address points to. */
  pointerLength: 2,
  /** The IPv4 addresses, or the name. */
  addresses4: 8,
  addresses6: 72,
  most4: 16,
  most6: 8,
  mostPointer: 128,
} as const;

/** The key of a container: its number, as it lies on the program's stack. */
export const NUMBER_BYTES = 8;

/** What a container may ask, by its number. */
export const CONTAINER_VALUE = {
  bytes: 208,
  scopeCount: 0,
  serverCount: 1,
  /** Unknown names without a dot are asked of nobody: docker's "ndots:1" and more. */
  keepsBareNames: 2,
  scopes: 8,
  mostScopes: 8,
  servers: 72,
  /** Of a server: its address, the container's address and interface that lead there. */
  server: { bytes: 16, ip: 0, source: 4, index: 8 },
  mostServers: 3,
  /** Not for the program: all addresses and the numbers of their interfaces. */
  links: 120,
  link: { bytes: 8, source: 0, index: 4 },
  mostLinks: 8,
  /** The program's own, in ticks: since when the server has not answered; when it was changed. */
  askedAt: 184,
  changedAt: 192,
  /** The server that is asked. */
  current: 200,
} as const;

/** A question on its way upstream: container, client's port, number of the question, protocol. */
export const FLOW_KEY = { bytes: 8, container: 0, port: 2, id: 4, protocol: 6 } as const;
/** Who asked whom. */
export const FLOW = { bytes: 16, client: 0, server: 4, index: 8, answered: 10, zero: 12 } as const;
