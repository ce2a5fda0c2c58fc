import type { MmioDevice } from "../../contracts.js";
import type { ConfigSpace } from "./config-space.js";

/** What a base address register asks for. */
export interface BarSpec {
  /** I/O ports, or memory at addresses of 32 or 64 bits; one of 64 bits takes two registers. */
  readonly kind: "ports" | "memory32" | "memory64";
  readonly prefetchable?: boolean;
  /** Bytes, a power of two: at least 4 ports, or 16 bytes of memory. */
  readonly size: number;
  readonly device: MmioDevice;
}

/** Offset of the first of the six. */
const FIRST = 0x10;
const IO_FLAG = 1;
const TYPE_64 = 4;
const PREFETCHABLE = 8;

/** A base address register (PCI local bus specification 3.0, 6.2.5). */
export class Bar {
  readonly index: number;
  readonly spec: BarSpec;
  readonly #config: ConfigSpace;

  constructor(config: ConfigSpace, index: number, spec: BarSpec) {
    this.#config = config;
    this.index = index;
    this.spec = spec;
    const offset = FIRST + 4 * index;
    const writable = -spec.size >>> 0;
    config.define({ offset, width: 4, value: flags(spec), writable });
    if (spec.kind === "memory64") config.define({ offset: offset + 4, width: 4, writable: 0xffff_ffff });
  }

  /** Where software put it; 0 is nowhere. */
  get address(): number {
    const offset = FIRST + 4 * this.index;
    const { kind } = this.spec;
    const low = this.#config.read(offset, 4);
    const base = low - (low % (kind === "ports" ? 4 : 16));
    return kind === "memory64" ? base + this.#config.read(offset + 4, 4) * 2 ** 32 : base;
  }

  set address(value: number) {
    const offset = FIRST + 4 * this.index;
    this.#config.write(offset, 4, value >>> 0);
    if (this.spec.kind === "memory64") this.#config.write(offset + 4, 4, Math.floor(value / 2 ** 32));
  }
}

function flags({ kind, prefetchable }: BarSpec): number {
  if (kind === "ports") return IO_FLAG;
  return (kind === "memory64" ? TYPE_64 : 0) | (prefetchable === true ? PREFETCHABLE : 0);
}
