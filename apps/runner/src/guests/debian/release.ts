import { GuestError } from "../errors.js";

/** Size and digest that a Release file promises for an index. */
export interface IndexDigest {
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

export interface Release {
  readonly origin: string;
  readonly codename: string;
  readonly version: string;
  /** Whether indexes can be fetched by their digest, so that an update in between does no harm. */
  readonly acquireByHash: boolean;
  /** SHA-256 section by path below the suite's folder. */
  readonly files: ReadonlyMap<string, IndexDigest>;
}

/** Reads the fields of a Release file. Throws `BadRelease` when it has no SHA256 section. */
export function parseRelease(text: string): Release {
  const fields = new Map<string, string>();
  const files = new Map<string, IndexDigest>();
  let section = "";
  for (const line of text.split(/\r?\n/)) {
    const field = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
    if (field !== null) {
      section = field[1] ?? "";
      fields.set(section, field[2] ?? "");
      continue;
    }
    const digest = section === "SHA256" ? /^ ([0-9a-f]{64})\s+(\d+)\s+(\S+)$/.exec(line) : null;
    if (digest !== null) files.set(digest[3] ?? "", { sha256: digest[1] ?? "", size: Number(digest[2]) });
  }
  if (files.size === 0) throw new GuestError("BadRelease", "the mirror's InRelease has no SHA-256 list");
  return {
    origin: fields.get("Origin") ?? "",
    codename: fields.get("Codename") ?? "",
    version: fields.get("Version") ?? "",
    acquireByHash: fields.get("Acquire-By-Hash") === "yes",
    files,
  };
}

/**
 * The signed text of a clear-signed message (RFC 9580, section 7). The message must be nothing but one
 * signed text and its signature, so that nobody reads a part which the signature does not cover.
 * Throws `BadRelease` otherwise.
 */
export function clearsignedText(message: string): string {
  const lines = message.replaceAll("\r\n", "\n").trimEnd().split("\n");
  const blank = lines.indexOf("");
  const signature = lines.indexOf("-----BEGIN PGP SIGNATURE-----");
  const headers = lines.slice(1, Math.max(blank, 1));
  const text = lines.slice(blank + 1, signature);
  const wellFormed =
    lines[0] === "-----BEGIN PGP SIGNED MESSAGE-----" &&
    headers.every((line) => line.startsWith("Hash: ")) &&
    blank > 0 &&
    signature > blank &&
    lines.at(-1) === "-----END PGP SIGNATURE-----" &&
    lines.indexOf("-----END PGP SIGNATURE-----") === lines.length - 1 &&
    text.every((line) => !line.startsWith("-") || line.startsWith("- "));
  if (!wellFormed)
    throw new GuestError("BadRelease", "the mirror's InRelease is not one clear-signed message");
  return text.map((line) => (line.startsWith("- ") ? line.slice(2) : line)).join("\n");
}
