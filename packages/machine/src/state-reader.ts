import type { ComponentState, Plain } from "./contracts.js";
import { MachineError } from "./errors.js";

/**
 * Reads the fields of a saved state and checks each: a snapshot is input like any other file.
 * All methods throw `MachineError` with code `BadSnapshot`, naming component and field.
 */
export class StateReader {
  readonly #component: string;
  readonly #fields: { readonly [field: string]: Plain };

  /** @param version the one this component writes; others are refused. */
  constructor(component: string, state: ComponentState, version: number) {
    this.#component = component;
    this.#fields = state;
    if (state === null || typeof state !== "object" || state.version !== version) {
      throw new MachineError(
        "BadSnapshot",
        `state of '${component}' has version ${String(state?.version)}, this one reads ${version}`,
      );
    }
  }

  /** A non-negative safe integer. */
  integer(field: string): number {
    const value = this.#fields[field];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw this.bad(field);
    return value;
  }

  /** An integer of `bits` bits at most. */
  unsigned(field: string, bits: number): number {
    const value = this.integer(field);
    if (value >= 2 ** bits) throw this.bad(field);
    return value;
  }

  u8(field: string): number {
    return this.unsigned(field, 8);
  }

  u16(field: string): number {
    return this.unsigned(field, 16);
  }

  u32(field: string): number {
    return this.unsigned(field, 32);
  }

  /** A number, or null for `Infinity`, which JSON lacks. */
  deadline(field: string): number {
    const value = this.#fields[field];
    if (value === null) return Number.POSITIVE_INFINITY;
    if (typeof value !== "number" || Number.isNaN(value)) throw this.bad(field);
    return value;
  }

  /** An unsigned 64-bit value saved as a hexadecimal string. */
  u64(field: string): bigint {
    const value = this.#fields[field];
    if (typeof value !== "string" || !/^0x[0-9a-f]{1,16}$/.test(value)) throw this.bad(field);
    return BigInt(value);
  }

  flag(field: string): boolean {
    const value = this.#fields[field];
    if (typeof value !== "boolean") throw this.bad(field);
    return value;
  }

  text(field: string): string {
    const value = this.#fields[field];
    if (typeof value !== "string") throw this.bad(field);
    return value;
  }

  /** A list of integers from 0 to `max`, at most `maxLength` of them. */
  integers(field: string, maxLength: number, max: number): number[] {
    const list = this.list(field);
    const valid = (item: Plain) => Number.isInteger(item) && (item as number) >= 0 && (item as number) <= max;
    if (list.length > maxLength || !list.every(valid)) throw this.bad(field);
    return [...list] as number[];
  }

  bytes(field: string): Uint8Array {
    const value = this.#fields[field];
    if (!(value instanceof Uint8Array)) throw this.bad(field);
    return value;
  }

  list(field: string): readonly Plain[] {
    const value = this.#fields[field];
    if (!Array.isArray(value)) throw this.bad(field);
    return value as readonly Plain[];
  }

  /** The state of a part of this component. */
  part(field: string): ComponentState {
    const value = this.#fields[field];
    if (!isState(value)) throw this.bad(field);
    return value;
  }

  /** A list of states of parts. */
  parts(field: string): ComponentState[] {
    return this.list(field).map((item) => {
      if (!isState(item)) throw this.bad(field);
      return item;
    });
  }

  /** The error about a field, for checks that go beyond its form. */
  bad(field: string): MachineError {
    return new MachineError("BadSnapshot", `state of '${this.#component}' has no valid '${field}'`);
  }
}

function isState(value: Plain | undefined): value is ComponentState {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

/** An unsigned 64-bit value as states keep it. */
export function u64Text(value: bigint): string {
  return `0x${value.toString(16)}`;
}
