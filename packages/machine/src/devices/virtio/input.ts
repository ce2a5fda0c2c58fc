import type { ComponentState } from "../../contracts.js";
import { StateReader } from "../../state-reader.js";
import { VIRTIO_ID_INPUT } from "./constants.js";
import type { VirtioDevice, VirtioHost } from "./device.js";

const STATE_VERSION = 1;
const EVENTS = 0;
const STATUS = 1;
const QUEUE_SIZE = 64;
const EVENT_SIZE = 8;
/** Events that wait while the driver offers no buffer; more are lost, as on a real keyboard. */
const WAITING_MAX = 1024;
const STATUS_MAX = 64;

/** Values of `select` (section 5.8.2). */
const CFG_ID_NAME = 0x01;
const CFG_ID_SERIAL = 0x02;
const CFG_ID_DEVIDS = 0x03;
const CFG_EV_BITS = 0x11;
const CFG_ABS_INFO = 0x12;

const CONFIG_SELECT = 0;
const CONFIG_SUBSEL = 1;
const CONFIG_SIZE = 2;
const CONFIG_DATA = 8;

/** Linux event types and codes (input-event-codes.h numbers are the interface). */
export const EV_SYN = 0;
export const EV_KEY = 1;
export const EV_REL = 2;
export const EV_ABS = 3;
export const EV_LED = 17;

/** Range of an absolute axis. */
export interface AbsoluteAxis {
  readonly min: number;
  readonly max: number;
}

export interface VirtioInputOptions {
  /** Name as the guest shows it. */
  readonly name: string;
  readonly serial?: string;
  /** Codes the device can send, by event type (`EV_KEY`, `EV_REL`, `EV_ABS`, `EV_LED`). */
  readonly codes: Readonly<Record<number, readonly number[]>>;
  /** Ranges of the `EV_ABS` codes. */
  readonly axes?: Readonly<Record<number, AbsoluteAxis>>;
  /** Told of events from the guest: keyboard lights. */
  readonly onStatus?: (type: number, code: number, value: number) => void;
}

/** Virtio input device (section 5.8): a keyboard, mouse or tablet, depending on its codes. */
export class VirtioInput implements VirtioDevice {
  readonly name = "virtio-input";
  readonly deviceId = VIRTIO_ID_INPUT;
  readonly features = 0n;
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly config = new Uint8Array(136);
  readonly #options: VirtioInputOptions;
  #waiting: Uint8Array[] = [];
  #host: VirtioHost | undefined;

  constructor(options: VirtioInputOptions) {
    this.#options = options;
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  /** Sends events, followed by the report that they belong together. */
  send(...events: readonly { readonly type: number; readonly code: number; readonly value: number }[]): void {
    for (const { type, code, value } of [...events, { type: EV_SYN, code: 0, value: 0 }]) {
      if (this.#waiting.length >= WAITING_MAX) break;
      const bytes = new Uint8Array(EVENT_SIZE);
      const view = new DataView(bytes.buffer);
      view.setUint16(0, type, true);
      view.setUint16(2, code, true);
      view.setUint32(4, value, true);
      this.#waiting.push(bytes);
    }
    this.#host?.run(() => this.#deliver());
  }

  notify(queue: number): void {
    if (queue === EVENTS) this.#deliver();
    else if (queue === STATUS) this.#takeStatus();
  }

  writeConfig(offset: number, width: number, value: number): void {
    // Select and subselect are bytes, which a driver may write together.
    if (offset === CONFIG_SELECT) {
      this.config[CONFIG_SELECT] = value;
      if (width > 1) this.config[CONFIG_SUBSEL] = value >>> 8;
    } else if (offset === CONFIG_SUBSEL && width === 1) {
      this.config[CONFIG_SUBSEL] = value;
    } else {
      return;
    }
    const data = this.#selected();
    this.config.fill(0, CONFIG_SIZE);
    this.config[CONFIG_SIZE] = data.length;
    this.config.set(data, CONFIG_DATA);
  }

  reset(): void {
    this.#waiting = [];
    this.config.fill(0);
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      select: this.config[CONFIG_SELECT]!,
      subsel: this.config[CONFIG_SUBSEL]!,
      waiting: this.#waiting.map((bytes) => [...bytes]),
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("virtio-input", state, STATE_VERSION);
    const waiting = reader.list("waiting").slice(0, WAITING_MAX);
    this.reset();
    this.#waiting = waiting.map((item) => {
      const event = new StateReader("virtio-input", { version: STATE_VERSION, event: item }, STATE_VERSION);
      const bytes = new Uint8Array(EVENT_SIZE);
      bytes.set(event.integers("event", EVENT_SIZE, 255));
      return bytes;
    });
    this.writeConfig(CONFIG_SELECT, 2, reader.u8("select") | (reader.u8("subsel") << 8));
  }

  #deliver(): void {
    const queue = this.#host!.queues[EVENTS]!;
    while (this.#waiting.length > 0) {
      const chain = queue.pop();
      if (chain === undefined) break;
      // One event fills one buffer.
      chain.write(this.#waiting.shift()!);
      queue.push(chain);
    }
    queue.signal();
  }

  #takeStatus(): void {
    const queue = this.#host!.queues[STATUS]!;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      for (let count = 0; chain.readableLeft >= EVENT_SIZE && count < STATUS_MAX; count++) {
        const view = new DataView(chain.read(EVENT_SIZE).buffer);
        this.#options.onStatus?.(view.getUint16(0, true), view.getUint16(2, true), view.getUint32(4, true));
      }
      queue.push(chain, 0);
    }
    queue.signal();
  }

  #selected(): Uint8Array {
    const subsel = this.config[CONFIG_SUBSEL]!;
    switch (this.config[CONFIG_SELECT]) {
      case CFG_ID_NAME:
        return text(this.#options.name);
      case CFG_ID_SERIAL:
        return text(this.#options.serial ?? "");
      case CFG_ID_DEVIDS:
        // BUS_VIRTUAL, no vendor or product, version 1.
        return Uint8Array.of(6, 0, 0, 0, 0, 0, 1, 0);
      case CFG_EV_BITS:
        return bitmap(this.#options.codes[subsel] ?? []);
      case CFG_ABS_INFO:
        return this.#axis(subsel);
      default:
        return new Uint8Array(0);
    }
  }

  #axis(code: number): Uint8Array {
    const axis = this.#options.axes?.[code];
    if (axis === undefined) return new Uint8Array(0);
    // min, max, fuzz, flat, resolution
    const bytes = new Uint8Array(20);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, axis.min, true);
    view.setUint32(4, axis.max, true);
    return bytes;
  }
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value).subarray(0, 128);
}

function bitmap(codes: readonly number[]): Uint8Array {
  if (codes.length === 0) return new Uint8Array(0);
  const bytes = new Uint8Array(Math.min(128, Math.floor(Math.max(...codes) / 8) + 1));
  for (const code of codes) if (code < 1024) bytes[code >>> 3]! |= 1 << (code & 7);
  return bytes;
}
