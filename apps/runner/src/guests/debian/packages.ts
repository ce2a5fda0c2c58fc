import type { ByteStream } from "../archive/decompress.js";
import { GuestError } from "../errors.js";
import { compareVersions } from "./version.js";

/** What the puller needs to know of a binary package. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The Depends field as written. */
  readonly depends: string;
  /** Path below the mirror's base. */
  readonly filename: string;
  /** Bytes of the .deb file. */
  readonly size: number;
  readonly sha256: string;
}

/**
 * The packages of a decompressed Packages index whose name passes, the newest version of each. The
 * index is read as a stream: it is some 50 MB of which a few lines matter.
 */
export async function readPackages(
  index: ByteStream,
  wanted: (name: string) => boolean,
): Promise<Map<string, PackageRecord>> {
  const found = new Map<string, PackageRecord>();
  for await (const stanza of stanzas(index)) {
    const name = /^Package: (.*)$/m.exec(stanza)?.[1];
    if (name === undefined || !wanted(name)) continue;
    const record = parseRecord(name, stanza);
    const other = found.get(name);
    if (other === undefined || compareVersions(record.version, other.version) > 0) found.set(name, record);
  }
  return found;
}

/** The package of a name; throws `MissingPackage`. */
export function findPackage(packages: ReadonlyMap<string, PackageRecord>, name: string): PackageRecord {
  const record = packages.get(name);
  if (record === undefined)
    throw new GuestError("MissingPackage", `the mirror's index has no package ${name}`);
  return record;
}

/**
 * The versioned kernel package behind a meta package such as linux-image-riscv64: its one dependency
 * that starts with `linux-image-`. Throws `MissingPackage`.
 */
export function kernelPackageOf(
  packages: ReadonlyMap<string, PackageRecord>,
  metaName: string,
): PackageRecord {
  const meta = findPackage(packages, metaName);
  const names = meta.depends.split(",").map((item) => item.trim().split(/[\s(|:]/)[0] ?? "");
  const name = names.find((candidate) => candidate.startsWith("linux-image-"));
  if (name === undefined) throw new GuestError("MissingPackage", `${metaName} depends on no kernel package`);
  return findPackage(packages, name);
}

async function* stanzas(index: ByteStream): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of index) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  yield rest + decoder.decode();
}

function parseRecord(name: string, stanza: string): PackageRecord {
  const field = (key: string): string => new RegExp(`^${key}: (.*)$`, "m").exec(stanza)?.[1]?.trim() ?? "";
  const record = {
    name,
    version: field("Version"),
    architecture: field("Architecture"),
    depends: field("Depends"),
    filename: field("Filename"),
    size: Number(field("Size")),
    sha256: field("SHA256"),
  };
  const plainPath = /^[^/]/.test(record.filename) && !record.filename.split("/").includes("..");
  if (!plainPath || !(record.size > 0) || !/^[0-9a-f]{64}$/.test(record.sha256)) {
    throw new GuestError(
      "MissingPackage",
      `the mirror's index describes ${name} without file, size or SHA-256`,
    );
  }
  return record;
}
