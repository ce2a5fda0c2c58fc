import type { ComponentState } from "../../contracts.js";
import { StateReader } from "../../state-reader.js";
import type { Chain, Segment } from "./chain.js";
import { VIRTIO_ID_GPU } from "./constants.js";
import type { VirtioDevice, VirtioHost } from "./device.js";

const STATE_VERSION = 1;
const CONTROL = 0;
const CURSOR = 1;

/** Commands and answers (section 5.7.6.7). */
const GET_DISPLAY_INFO = 0x0100;
const RESOURCE_CREATE_2D = 0x0101;
const RESOURCE_UNREF = 0x0102;
const SET_SCANOUT = 0x0103;
const RESOURCE_FLUSH = 0x0104;
const TRANSFER_TO_HOST_2D = 0x0105;
const RESOURCE_ATTACH_BACKING = 0x0106;
const RESOURCE_DETACH_BACKING = 0x0107;
const OK_NODATA = 0x1100;
const OK_DISPLAY_INFO = 0x1101;
const ERR_UNSPEC = 0x1200;
const ERR_OUT_OF_MEMORY = 0x1201;
const ERR_INVALID_SCANOUT = 0x1202;
const ERR_INVALID_RESOURCE = 0x1203;
const ERR_INVALID_PARAMETER = 0x1205;

const HEADER_SIZE = 24;
const FLAG_FENCE = 1;
const SCANOUTS_MAX = 16;
/** Formats of 32 bits a pixel: B8G8R8A8, B8G8R8X8, A8R8G8B8, X8R8G8B8, R8G8B8A8, X8B8G8R8, A8B8G8R8, R8G8B8X8. */
const FORMATS: ReadonlySet<number> = new Set([1, 2, 3, 4, 67, 68, 121, 134]);
const PIXEL = 4;
/** Bounds on what a guest can make the host allocate and copy. */
const RESOURCE_MAX = 64 * 1024 * 1024;
const TOTAL_MAX = 256 * 1024 * 1024;
const BACKING_MAX = 16384;
const COMMAND_MAX = HEADER_SIZE + 64;

/** A rectangle in pixels. */
export interface GpuRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What a display shows: 4 bytes a pixel, rows without gaps. */
export interface Framebuffer {
  readonly width: number;
  readonly height: number;
  /** Order of the bytes: 1 B8G8R8A8, 2 B8G8R8X8, 67 R8G8B8A8, ... (virtio_gpu_formats). */
  readonly format: number;
  readonly pixels: Uint8Array;
}

export interface VirtioGpuOptions {
  /** Size of the display in pixels. Default 1024 by 768. */
  readonly width?: number;
  readonly height?: number;
  /** Told when the guest flushed a part of what the display shows. */
  readonly onFlush?: (rect: GpuRect) => void;
}

interface Resource {
  readonly format: number;
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
  backing: readonly Segment[];
}

interface Scanout {
  readonly resource: number;
  readonly rect: GpuRect;
}

/** Virtio GPU (section 5.7) with one display and 2D commands only. The cursor is accepted and not shown. */
export class VirtioGpu implements VirtioDevice {
  readonly name = "virtio-gpu";
  readonly deviceId = VIRTIO_ID_GPU;
  readonly features = 0n;
  readonly queueSizes = [256, 16];
  /** events_read, events_clear, num_scanouts, num_capsets */
  readonly config = new Uint8Array(16);
  readonly #width: number;
  readonly #height: number;
  readonly #onFlush: (rect: GpuRect) => void;
  readonly #resources = new Map<number, Resource>();
  #allocated = 0;
  #scanout: Scanout | undefined;
  #host: VirtioHost | undefined;

  constructor(options: VirtioGpuOptions = {}) {
    this.#width = options.width ?? 1024;
    this.#height = options.height ?? 768;
    this.#onFlush = options.onFlush ?? (() => {});
    new DataView(this.config.buffer).setUint32(8, 1, true);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  /** A copy of what the display shows, undefined while it is off. */
  framebuffer(): Framebuffer | undefined {
    const scanout = this.#scanout;
    const resource = scanout && this.#resources.get(scanout.resource);
    if (scanout === undefined || resource === undefined) return undefined;
    const { x, y, width, height } = scanout.rect;
    const pixels = new Uint8Array(width * height * PIXEL);
    for (let row = 0; row < height; row++) {
      const from = ((y + row) * resource.width + x) * PIXEL;
      pixels.set(resource.pixels.subarray(from, from + width * PIXEL), row * width * PIXEL);
    }
    return { width, height, format: resource.format, pixels };
  }

  notify(index: number): void {
    const queue = this.#host!.queues[index]!;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      if (index === CONTROL) this.#command(chain);
      // Cursor commands have no answer in practice, but may have room for one.
      else if (index === CURSOR && chain.writableLength >= HEADER_SIZE) this.#answerTo(chain, OK_NODATA);
      queue.push(chain);
    }
    queue.signal();
  }

  writeConfig(): void {
    // events_clear: there are no events.
  }

  reset(): void {
    this.#resources.clear();
    this.#allocated = 0;
    this.#scanout = undefined;
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      resources: [...this.#resources].map(([id, { format, width, height, pixels, backing }]) => ({
        version: STATE_VERSION,
        id,
        format,
        width,
        height,
        pixels: new Uint8Array(pixels),
        backing: backing.flatMap(({ address, length }) => [address, length]),
      })),
      scanout:
        this.#scanout === undefined ? null : { ...this.#scanout.rect, resource: this.#scanout.resource },
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("virtio-gpu", state, STATE_VERSION);
    this.reset();
    for (const saved of reader.parts("resources")) {
      const part = new StateReader("virtio-gpu", saved, STATE_VERSION);
      const [width, height] = [part.u32("width"), part.u32("height")];
      const pixels = new Uint8Array(part.bytes("pixels"));
      const words = part.integers("backing", 2 * BACKING_MAX, Number.MAX_SAFE_INTEGER);
      const backing: Segment[] = [];
      for (let at = 0; at + 1 < words.length; at += 2) {
        backing.push({ address: words[at]!, length: words[at + 1]! });
      }
      if (pixels.length !== width * height * PIXEL) throw part.bad("pixels");
      this.#resources.set(part.u32("id"), { format: part.u32("format"), width, height, pixels, backing });
      this.#allocated += pixels.length;
    }
    if (state.scanout === null) return;
    const saved = new StateReader(
      "virtio-gpu",
      { ...reader.part("scanout"), version: STATE_VERSION },
      STATE_VERSION,
    );
    const rect = {
      x: saved.u32("x"),
      y: saved.u32("y"),
      width: saved.u32("width"),
      height: saved.u32("height"),
    };
    const resource = saved.u32("resource");
    const shown = this.#resources.get(resource);
    if (shown === undefined || !contains(shown, rect)) throw reader.bad("scanout");
    this.#scanout = { resource, rect };
  }

  #command(chain: Chain): void {
    const bytes = chain.read(COMMAND_MAX);
    const command = new DataView(new ArrayBuffer(COMMAND_MAX));
    new Uint8Array(command.buffer).set(bytes);
    const type = command.getUint32(0, true);
    if (type === GET_DISPLAY_INFO) this.#answerTo(chain, OK_DISPLAY_INFO, command, this.#displayInfo());
    else this.#answerTo(chain, this.#execute(type, command, chain, bytes.length), command);
  }

  /** Executes a command whose answer has no data. Returns the answer's type. */
  #execute(type: number, command: DataView, chain: Chain, length: number): number {
    const word = (index: number) => command.getUint32(HEADER_SIZE + 4 * index, true);
    const rect = (): GpuRect => ({ x: word(0), y: word(1), width: word(2), height: word(3) });
    switch (type) {
      case RESOURCE_CREATE_2D:
        return this.#create(word(0), word(1), word(2), word(3));
      case RESOURCE_UNREF:
        return this.#unref(word(0));
      case SET_SCANOUT:
        return this.#setScanout(rect(), word(4), word(5));
      case RESOURCE_FLUSH:
        return this.#flush(rect(), word(4));
      case TRANSFER_TO_HOST_2D:
        return this.#transfer(rect(), word(4) + word(5) * 2 ** 32, word(6));
      case RESOURCE_ATTACH_BACKING:
        return this.#attachBacking(word(0), word(1), chain, length);
      case RESOURCE_DETACH_BACKING:
        return this.#detachBacking(word(0));
      default:
        return ERR_UNSPEC;
    }
  }

  #create(id: number, format: number, width: number, height: number): number {
    if (id === 0 || this.#resources.has(id)) return ERR_INVALID_RESOURCE;
    if (!FORMATS.has(format) || width === 0 || height === 0) return ERR_INVALID_PARAMETER;
    const size = width * height * PIXEL;
    if (size > RESOURCE_MAX || this.#allocated + size > TOTAL_MAX) return ERR_OUT_OF_MEMORY;
    this.#resources.set(id, { format, width, height, pixels: new Uint8Array(size), backing: [] });
    this.#allocated += size;
    return OK_NODATA;
  }

  #unref(id: number): number {
    const resource = this.#resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE;
    if (this.#scanout?.resource === id) this.#scanout = undefined;
    this.#allocated -= resource.pixels.length;
    this.#resources.delete(id);
    return OK_NODATA;
  }

  #setScanout(rect: GpuRect, scanout: number, id: number): number {
    if (scanout !== 0) return ERR_INVALID_SCANOUT;
    if (id === 0) {
      this.#scanout = undefined;
      return OK_NODATA;
    }
    const resource = this.#resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE;
    if (!contains(resource, rect)) return ERR_INVALID_PARAMETER;
    this.#scanout = { resource: id, rect };
    return OK_NODATA;
  }

  #flush(rect: GpuRect, id: number): number {
    const resource = this.#resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE;
    if (!contains(resource, rect)) return ERR_INVALID_PARAMETER;
    if (this.#scanout?.resource === id) this.#onFlush(rect);
    return OK_NODATA;
  }

  #transfer(rect: GpuRect, offset: number, id: number): number {
    const resource = this.#resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE;
    if (!contains(resource, rect)) return ERR_INVALID_PARAMETER;
    const stride = resource.width * PIXEL;
    for (let row = 0; row < rect.height; row++) {
      const to = (rect.y + row) * stride + rect.x * PIXEL;
      const line = resource.pixels.subarray(to, to + rect.width * PIXEL);
      if (!this.#readBacking(resource.backing, offset + row * stride, line)) return ERR_INVALID_PARAMETER;
    }
    return OK_NODATA;
  }

  /** Fills `target` from guest memory at an offset of the backing. False where the backing ends. */
  #readBacking(backing: readonly Segment[], offset: number, target: Uint8Array): boolean {
    let skip = offset;
    let done = 0;
    for (const { address, length } of backing) {
      if (done === target.length) break;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const count = Math.min(length - skip, target.length - done);
      this.#host!.memory.readInto(address + skip, target.subarray(done, done + count));
      done += count;
      skip = 0;
    }
    return done === target.length;
  }

  #attachBacking(id: number, entries: number, chain: Chain, length: number): number {
    const resource = this.#resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE;
    if (resource.backing.length > 0) return ERR_UNSPEC;
    if (entries === 0 || entries > BACKING_MAX) return ERR_INVALID_PARAMETER;
    // The entries follow the fixed part; some have been read with it.
    const fixed = HEADER_SIZE + 8;
    const table = new Uint8Array(16 * entries);
    chain.rewindReadable(length - fixed);
    if (chain.readableLeft < table.length) return ERR_INVALID_PARAMETER;
    table.set(chain.read(table.length));
    const view = new DataView(table.buffer);
    const backing: Segment[] = [];
    for (let at = 0; at < table.length; at += 16) {
      const address = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
      const size = view.getUint32(at + 8, true);
      if (size === 0 || !this.#host!.memory.contains(address, size)) return ERR_INVALID_PARAMETER;
      backing.push({ address, length: size });
    }
    resource.backing = backing;
    return OK_NODATA;
  }

  #detachBacking(id: number): number {
    const resource = this.#resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE;
    resource.backing = [];
    return OK_NODATA;
  }

  /** Sixteen displays of which the first is on: rectangle, enabled, flags. */
  #displayInfo(): Uint8Array {
    const info = new Uint8Array(24 * SCANOUTS_MAX);
    const view = new DataView(info.buffer);
    view.setUint32(8, this.#width, true);
    view.setUint32(12, this.#height, true);
    view.setUint32(16, 1, true);
    return info;
  }

  /** Writes the answer's header, with the command's fence if it had one, and its data. */
  #answerTo(chain: Chain, type: number, command?: DataView, data: Uint8Array = new Uint8Array(0)): void {
    const answer = new Uint8Array(HEADER_SIZE + data.length);
    const view = new DataView(answer.buffer);
    view.setUint32(0, type, true);
    if (command !== undefined && (command.getUint32(4, true) & FLAG_FENCE) !== 0) {
      view.setUint32(4, FLAG_FENCE, true);
      view.setBigUint64(8, command.getBigUint64(8, true), true);
      view.setUint32(16, command.getUint32(16, true), true);
    }
    answer.set(data, HEADER_SIZE);
    chain.write(answer);
  }
}

function contains(resource: { readonly width: number; readonly height: number }, rect: GpuRect): boolean {
  const { x, y, width, height } = rect;
  return width > 0 && height > 0 && x + width <= resource.width && y + height <= resource.height;
}
