import type { Plain } from "../contracts.js";
import { MachineError } from "../errors.js";

/**
 * Plain data as canonical JSON: keys sorted, no white space; bigints as `{"$bigint":"..."}`, byte arrays as
 * `{"$bytes":[offset,length]}` into `blobs`. Equal data give equal text.
 */
export function encodePlain(value: Plain, blobs: BlobWriter): string {
  if (value instanceof Uint8Array) return `{"$bytes":[${blobs.add(value)},${value.length}]}`;
  if (typeof value === "bigint") return `{"$bigint":"${value}"}`;
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new MachineError("InvalidParam", `${value} cannot be saved in a snapshot`);
  }
  if (value === null || typeof value !== "object") {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined)
      throw new MachineError("InvalidParam", `${typeof value} cannot be saved in a snapshot`);
    return text;
  }
  if (Array.isArray(value)) return `[${value.map((item: Plain) => encodePlain(item, blobs)).join(",")}]`;
  const fields = Object.entries(value as { readonly [key: string]: Plain })
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${encodePlain(item, blobs)}`);
  return `{${fields.join(",")}}`;
}

/** The inverse. @throws MachineError `BadSnapshot`. */
export function decodePlain(text: string, blobs: Uint8Array): Plain {
  try {
    return revive(JSON.parse(text), blobs);
  } catch (cause) {
    if (cause instanceof MachineError) throw cause;
    throw new MachineError("BadSnapshot", "the snapshot's description cannot be read", { cause });
  }
}

function revive(json: unknown, blobs: Uint8Array): Plain {
  if (json === null || typeof json !== "object") return json as Plain;
  if (Array.isArray(json)) return json.map((item) => revive(item, blobs));
  const fields = json as Record<string, unknown>;
  if ("$bigint" in fields) return BigInt(String(fields.$bigint));
  if ("$bytes" in fields) {
    const [offset, length] = fields.$bytes as [number, number];
    if (!(offset >= 0 && length >= 0 && offset + length <= blobs.length)) {
      throw new MachineError("BadSnapshot", "the snapshot refers to bytes it does not have");
    }
    return blobs.slice(offset, offset + length);
  }
  return Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, revive(item, blobs)]));
}

/** Collects the byte arrays of plain data. */
export class BlobWriter {
  readonly chunks: Uint8Array[] = [];
  length = 0;

  /** Adds bytes. Returns their offset. */
  add(bytes: Uint8Array): number {
    const offset = this.length;
    this.chunks.push(bytes);
    this.length += bytes.length;
    return offset;
  }
}
