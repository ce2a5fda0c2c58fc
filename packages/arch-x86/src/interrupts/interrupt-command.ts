import { DeliveryMode, type InterruptMessage } from "./message.js";

// The interrupt command register: SDM volume 3, 11.6.1.

const INIT_DEASSERT = 0x8000;
const ASSERT = 0x4000;
const LOGICAL = 0x800;
/** Vectors below are the processor's. */
export const LOWEST_VECTOR = 16;

/** Whom a command is for, if not for whom its destination names. */
export const Shorthand = { none: 0, self: 1, all: 2, others: 3 } as const;
const SHORTHAND_SHIFT = 18;

export const shorthandOf = (command: number): number => (command >> SHORTHAND_SHIFT) & 3;

/** A fixed, edge-triggered interrupt of the processor itself, with nothing else in the register, and of a vector that there is. */
export function isPlainSelfInterrupt(command: number): boolean {
  const vector = command & 0xff;
  return (command ^ vector) === Shorthand.self << SHORTHAND_SHIFT && vector >= LOWEST_VECTOR;
}

/** It asks for an interrupt with a vector that there is none of. */
export function hasIllegalVector(command: number): boolean {
  const mode = (command >> 8) & 7;
  const plain = mode === DeliveryMode.fixed || mode === DeliveryMode.lowestPriority;
  return plain && (command & 0xff) < LOWEST_VECTOR;
}

/** What only told old processors to synchronize their arbitration IDs. */
export function isSynchronization(command: number): boolean {
  const mode = (command >> 8) & 7;
  return mode === DeliveryMode.init && (command & (INIT_DEASSERT | ASSERT)) === INIT_DEASSERT;
}

/** The message that a command sends. `high`: the upper half of the register; `extended`: x2APIC mode. */
export function commandMessage(command: number, high: number, extended: boolean): InterruptMessage {
  return {
    mode: (command >> 8) & 7,
    vector: command & 0xff,
    level: false,
    logical: (command & LOGICAL) !== 0,
    destination: extended ? high : high >>> 24,
    wide: extended,
  };
}
