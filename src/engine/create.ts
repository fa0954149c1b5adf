/** Makes a container from a request: checked, named, with its mounts and files; not started. */
import { UserError } from "../base/errors.ts";
import { makeDirectories } from "../base/files.ts";
import { containerDirectory, rootDirectory } from "../base/places.ts";
import { presentTime } from "../base/time.ts";
import { lookupImage, whyLost } from "../image/lookup.ts";
import { commandLine } from "./bundle.ts";
import { completeRequest } from "./complete.ts";
import { writePlannedMounts, writeRoot } from "./container_documents.ts";
import {
  beginContainer,
  claimName,
  deleteRecord,
  newId,
  readRecord,
  resolveContainer,
  writeRecord,
} from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { cgroupVersion, hostHostname, thermalPaths } from "./host_facts.ts";
import { prepareMounts } from "./locate_mounts.ts";
import { joinedContainer } from "./modes.ts";
import { planMounts, type PlannedMount } from "./mount_plan.ts";
import { checkContainerName, randomName } from "./names.ts";
import { networkName } from "./network.ts";
import { emptyNetworkSettings } from "./network_settings.ts";
import { platformWillDo } from "./platform_check.ts";
import type { ContainerRecord, CreateRequest, HostConfig, ImageDefaults } from "./types.ts";
import { validate } from "./validate.ts";

/** The image of a container, or the directory that stands in for one. */
export interface RootSource {
  /** "sha256:…"; empty for `host` and for a directory. */
  readonly id: string;
  readonly config: ImageDefaults;
  /** Lower directories, topmost first. */
  readonly layers: readonly string[];
  readonly platform: string;
}

/** What a new container is told of beside the request. */
export interface CreateOptions {
  /** The user's own words, kept for `inspect` and for whoever asks how it was made. */
  readonly command: readonly string[];
  /** Called with each warning for the user. */
  warn(text: string): void;
  /** What it stands on, where that is no image that is known: a stage of a build. */
  readonly source?: RootSource;
}

/** No image by this name is here: the caller may pull it and try again. */
export class ImageMissingError extends UserError {
  override name = "ImageMissingError";
  /** `why`: there is one by the name, but not for this machine. */
  constructor(readonly image: string, why?: string) {
    super(why ?? `No such image: ${image}`);
    this.isUnknown = why === undefined;
  }
  readonly isUnknown: boolean;
}

/** A container of which nothing exists yet: everything is checked and decided. */
export interface PlannedContainer {
  readonly id: string;
  /** The request with every default written out. */
  readonly request: CreateRequest;
  readonly source: RootSource;
  readonly mounts: readonly PlannedMount[];
}

/**
 * Checks a request and fills in what the image and the engine have by default. Nothing is made.
 * Throws ImageMissingError, UserError with docker's texts.
 */
export function planContainer(
  request: CreateRequest,
  warn: (text: string) => void,
  given?: RootSource,
): PlannedContainer {
  for (const warning of validate(request)) warn(warning);
  const source = given ?? findRoot(request, warn);
  const id = newId();
  const complete = completeRequest(request, source.config, {
    id,
    hostHostname: hostHostname(),
    cgroupVersion: cgroupVersion(),
    joined: joinedNames(request.HostConfig),
    thermalPaths: thermalPaths(),
  });
  for (const link of request.HostConfig.Links ?? []) checkLink(link);
  const mounts = planMounts(complete, mountsOf);
  if (request.Name !== "") checkContainerName(request.Name);
  return { id, request: complete, source, mounts };
}

/** Throws UserError unless the container of a `--link` is there. */
function checkLink(link: string): void {
  const [name] = link.split(":");
  try {
    resolveContainer(name);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`could not get container for ${name}: ${error.message}`);
  }
}

/**
 * Makes the container that `request` describes and returns its record. Everything is checked
 * before anything is made; what was made is undone if a later part fails.
 * Throws ImageMissingError, UserError with docker's texts.
 */
export async function createContainer(
  request: CreateRequest,
  options: CreateOptions,
): Promise<ContainerRecord> {
  const planned = planContainer(request, options.warn, options.source);
  const { id, source } = planned;
  using undo = new DisposableStack();
  const lock = undo.use(beginContainer(id));
  undo.defer(() => deleteRecord(id, undefined));
  const claimed = claim(request.Name, id);
  undo.defer(() => deleteRecord(id, claimed));
  const mounts = await prepareMounts(planned.mounts, source.layers);
  makeDirectories(`${containerDirectory(id)}/root`, 0o711);
  writePlannedMounts(id, mounts.planned);
  const record = recordOf(planned, claimed, mounts.points, options.command);
  // Fixed at creation, whatever happens to the image's name.
  writeRoot(id, { layers: source.layers.length > 0 ? source.layers : [makeNothing(id)] });
  writeRecord(record);
  undo.move();
  lock[Symbol.dispose]();
  emitContainerEvent(record, "create");
  return record;
}

/** The image's config and layers. A directory given by --rootfs has neither. */
function findRoot(request: CreateRequest, warn: (text: string) => void): RootSource {
  const directory = request.HostConfig.Diplodock?.RootfsDir;
  if (directory !== undefined) {
    return { id: "", config: {}, layers: [directory], platform: "linux" };
  }
  const image = lookupImage(rootDirectory(), request.Image);
  if (image === undefined) {
    throw new ImageMissingError(request.Image, whyLost(rootDirectory(), request.Image));
  }
  if (!platformWillDo(image, request.Platform, warn)) {
    throw new ImageMissingError(request.Image);
  }
  return {
    id: image.id,
    config: image.config as ImageDefaults,
    layers: image.layers,
    platform: image.os,
  };
}

/** In place of the layers of an image without any: overlayfs wants one. */
function makeNothing(id: string): string {
  const directory = `${containerDirectory(id)}/nothing`;
  Deno.mkdirSync(directory, { mode: 0o755 });
  return directory;
}

function joinedNames(host: HostConfig): { hostname: string; domainname: string } | undefined {
  const name = joinedContainer(host.NetworkMode);
  if (name === undefined) return undefined;
  const { Config } = readRecord(resolveContainer(name));
  return { hostname: Config.Hostname, domainname: Config.Domainname };
}

function mountsOf(container: string) {
  return readRecord(resolveContainer(container)).Mounts;
}

/** The user's name, or a random one that is free. */
function claim(name: string, id: string): string {
  if (name !== "") {
    claimName(name, id);
    return name;
  }
  for (let attempt = 0;; attempt++) {
    const random = randomName(attempt);
    try {
      claimName(random, id);
      return random;
    } catch (error) {
      if (!(error instanceof UserError) || attempt > 100) throw error;
    }
  }
}

/** The record of a planned container by its name and its mounts. */
export function recordOf(
  planned: PlannedContainer,
  name: string,
  mounts: ContainerRecord["Mounts"],
  command: readonly string[],
): ContainerRecord {
  const { id, source } = planned;
  const { HostConfig, NetworkingConfig, Name: _name, Platform: _platform, ...config } =
    planned.request;
  const [path = "", ...args] = commandLine(config);
  const directory = containerDirectory(id);
  const networks = Object.fromEntries(
    Object.entries(NetworkingConfig.EndpointsConfig).map(([key, wish]) => [networkName(key), wish]),
  );
  return {
    Id: id,
    Created: presentTime(),
    Path: path,
    Args: args,
    Image: source.id,
    ResolvConfPath: `${directory}/resolv.conf`,
    HostnamePath: `${directory}/hostname`,
    HostsPath: `${directory}/hosts`,
    LogPath: HostConfig.LogConfig.Type === "none" ? "" : `${directory}/log`,
    Name: `/${name}`,
    RestartCount: 0,
    Driver: "overlay2",
    Platform: source.platform,
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    HostConfig,
    Mounts: mounts,
    Config: config,
    NetworkSettings: { ...emptyNetworkSettings(), Networks: networks },
    CreateCommand: [...command],
  };
}
