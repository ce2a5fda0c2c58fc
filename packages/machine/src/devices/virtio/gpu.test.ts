import { describe, expect, it } from "vitest";
import { VirtioDriver } from "../testing/virtio-driver.js";
import { type GpuRect, VirtioGpu } from "./gpu.js";

const GET_DISPLAY_INFO = 0x100;
const CREATE = 0x101;
const UNREF = 0x102;
const SET_SCANOUT = 0x103;
const FLUSH = 0x104;
const TRANSFER = 0x105;
const ATTACH = 0x106;
const DETACH = 0x107;
const OK = 0x1100;

/** A control command: header, then 32-bit words. */
function command(
  type: number,
  words: number[] = [],
  header: { flags?: number; fence?: bigint; context?: number } = {},
) {
  const bytes = new Uint8Array(24 + 4 * words.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, header.flags ?? 0, true);
  view.setBigUint64(8, header.fence ?? 0n, true);
  view.setUint32(16, header.context ?? 0, true);
  words.forEach((value, at) => {
    view.setUint32(24 + 4 * at, value, true);
  });
  return bytes;
}

const words = (bytes: Uint8Array) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length >> 2 }, (_, at) => view.getUint32(4 * at, true));
};

function gpu(options: { version?: 1 | 2; width?: number; height?: number } = {}) {
  const flushed: GpuRect[] = [];
  const size = { width: options.width ?? 64, height: options.height ?? 32 };
  const device = new VirtioGpu({ ...size, onFlush: (rect) => flushed.push(rect) });
  const driver = new VirtioDriver(device, { version: options.version ?? 2 }).start();
  /** Sends a command and gives the type of the answer. */
  const send = (type: number, ...args: number[]) =>
    words(driver.queues[0]!.request(command(type, args), 24).answer)[0]!;
  return { device, driver, send, flushed };
}

/** Format 1 is B8G8R8A8. */
const rect = (x: number, y: number, width: number, height: number) => [x, y, width, height] as const;

describe("virtio-gpu", () => {
  it("answers a probe", () => {
    for (const version of [1, 2] as const) {
      const { driver } = gpu({ version });
      expect([driver.get(8), driver.get(0x108), driver.get(0x10c)]).toEqual([16, 1, 0]);
      const answer = driver.queues[0]!.request(command(GET_DISPLAY_INFO), 4096);
      expect(answer.written).toBe(24 + 16 * 24);
      const info = words(answer.answer);
      expect(info[0]).toBe(0x1101);
      expect(info.slice(6, 12)).toEqual([0, 0, 64, 32, 1, 0]);
      expect(info.slice(12, 12 + 15 * 6).every((value) => value === 0)).toBe(true);
    }
  });

  it("shows what the guest draws", () => {
    const { device, driver, send, flushed } = gpu();
    expect(device.framebuffer()).toBeUndefined();
    expect(send(CREATE, 7, 1, 8, 4)).toBe(OK);
    // Two pieces of memory that border in the middle of a row.
    const [a, b] = [driver.alloc(40, 4), driver.alloc(128, 4)];
    for (let at = 0; at < 128; at++) driver.ram.writeU8(at < 40 ? a + at : b + at - 40, at + 1);
    expect(send(ATTACH, 7, 2, a, 0, 40, 0, b, 0, 128, 0)).toBe(OK);
    expect(send(SET_SCANOUT, ...rect(0, 0, 8, 4), 0, 7)).toBe(OK);
    expect(send(TRANSFER, ...rect(0, 0, 8, 4), 0, 0, 7, 0)).toBe(OK);
    expect(send(FLUSH, ...rect(0, 0, 8, 4), 7, 0)).toBe(OK);
    const shown = device.framebuffer()!;
    expect([shown.width, shown.height, shown.format]).toEqual([8, 4, 1]);
    expect([...shown.pixels]).toEqual(Array.from({ length: 128 }, (_, at) => at + 1));
    expect(flushed).toEqual([{ x: 0, y: 0, width: 8, height: 4 }]);
  });

  it("transfers a part and shows a part", () => {
    const { device, driver, send } = gpu();
    send(CREATE, 1, 1, 4, 4);
    const backing = driver.alloc(64, 4);
    for (let at = 0; at < 64; at++) driver.ram.writeU8(backing + at, at);
    send(ATTACH, 1, 1, backing, 0, 64, 0);
    send(SET_SCANOUT, ...rect(1, 1, 2, 2), 0, 1);
    // The offset is that of the rectangle's first pixel (section 5.7.6.8).
    expect(send(TRANSFER, ...rect(1, 2, 2, 1), (2 * 4 + 1) * 4, 0, 1, 0)).toBe(OK);
    expect([...device.framebuffer()!.pixels]).toEqual([
      0, 0, 0, 0, 0, 0, 0, 0, 36, 37, 38, 39, 40, 41, 42, 43,
    ]);
  });

  it("returns the fence of a fenced command", () => {
    const { driver } = gpu();
    const fenced = command(CREATE, [1, 1, 2, 2], { flags: 1, fence: 0x1_0000_0002n, context: 5 });
    expect(words(driver.queues[0]!.request(fenced, 24).answer)).toEqual([OK, 1, 2, 1, 5, 0]);
  });

  it("accepts cursor commands, with and without room for an answer", () => {
    const { driver } = gpu();
    const cursor = driver.queues[1]!;
    expect(cursor.request(command(0x300, [0, 1, 2, 0, 7, 0, 0, 0])).written).toBe(0);
    expect(words(cursor.request(command(0x301, [0, 1, 2, 0, 7, 0, 0, 0]), 24).answer)[0]).toBe(OK);
  });

  it("turns the display off, and forgets resources", () => {
    const { device, send } = gpu();
    send(CREATE, 1, 1, 4, 4);
    send(SET_SCANOUT, ...rect(0, 0, 4, 4), 0, 1);
    expect(device.framebuffer()).toBeDefined();
    expect(send(SET_SCANOUT, ...rect(0, 0, 0, 0), 0, 0)).toBe(OK);
    expect(device.framebuffer()).toBeUndefined();
    send(SET_SCANOUT, ...rect(0, 0, 4, 4), 0, 1);
    expect(send(UNREF, 1)).toBe(OK);
    expect(device.framebuffer()).toBeUndefined();
    expect(send(UNREF, 1)).toBe(0x1203);
    expect(send(CREATE, 1, 1, 4, 4)).toBe(OK);
  });

  it("answers mistakes with the error that names them", () => {
    const { driver, send } = gpu();
    expect(send(CREATE, 0, 1, 4, 4)).toBe(0x1203);
    expect(send(CREATE, 1, 99, 4, 4)).toBe(0x1205);
    expect(send(CREATE, 1, 1, 0, 4)).toBe(0x1205);
    expect(send(CREATE, 1, 1, 0xffff_ffff, 0xffff_ffff)).toBe(0x1201);
    expect(send(CREATE, 1, 1, 4, 4)).toBe(OK);
    expect(send(CREATE, 1, 1, 4, 4)).toBe(0x1203);
    expect(send(SET_SCANOUT, ...rect(0, 0, 4, 4), 1, 1)).toBe(0x1202);
    expect(send(SET_SCANOUT, ...rect(0, 0, 4, 4), 0, 2)).toBe(0x1203);
    expect(send(SET_SCANOUT, ...rect(1, 0, 4, 4), 0, 1)).toBe(0x1205);
    expect(send(SET_SCANOUT, ...rect(0xffff_ffff, 0, 1, 1), 0, 1)).toBe(0x1205);
    expect(send(FLUSH, ...rect(0, 0, 5, 1), 1, 0)).toBe(0x1205);
    expect(send(FLUSH, ...rect(0, 0, 1, 1), 2, 0)).toBe(0x1203);
    // No backing, a backing outside RAM, a backing that ends early.
    expect(send(TRANSFER, ...rect(0, 0, 4, 4), 0, 0, 1, 0)).toBe(0x1205);
    expect(send(ATTACH, 1, 1, 0x1000, 0, 64, 0)).toBe(0x1205);
    expect(send(ATTACH, 1, 2, 0x8000_0000, 0, 64, 0)).toBe(0x1205);
    expect(send(ATTACH, 1, 0xffff_ffff)).toBe(0x1205);
    expect(send(ATTACH, 2, 1, 0x8000_0000, 0, 64, 0)).toBe(0x1203);
    expect(send(ATTACH, 1, 1, 0x8000_0000, 0, 60, 0)).toBe(OK);
    expect(send(ATTACH, 1, 1, 0x8000_0000, 0, 60, 0)).toBe(0x1200);
    expect(send(TRANSFER, ...rect(0, 0, 4, 4), 0, 0, 1, 0)).toBe(0x1205);
    expect(send(TRANSFER, ...rect(0, 0, 1, 1), 0, 0xffff_ffff, 1, 0)).toBe(0x1205);
    expect(send(DETACH, 1)).toBe(OK);
    expect(send(DETACH, 9)).toBe(0x1203);
    expect(send(0x10a)).toBe(0x1200);
    expect(words(driver.queues[0]!.request(Uint8Array.of(1, 2), 24).answer)[0]).toBe(0x1200);
    expect(driver.faults).toEqual([]);
  });

  it("bounds what resources may take", () => {
    const { send } = gpu();
    const results = [1, 2, 3, 4, 5].map((id) => send(CREATE, id, 1, 4096, 4096));
    expect(results).toEqual([OK, OK, OK, OK, 0x1201]);
    send(UNREF, 1);
    expect(send(CREATE, 5, 1, 4096, 4096)).toBe(OK);
  });

  it("goes through a snapshot with its picture", () => {
    const { device, driver, send } = gpu();
    send(CREATE, 7, 1, 4, 4);
    const backing = driver.alloc(64, 4);
    driver.ram.fill(backing, 64, 0x5a);
    send(ATTACH, 7, 1, backing, 0, 64, 0);
    send(TRANSFER, ...rect(0, 0, 4, 2), 0, 0, 7, 0);
    send(SET_SCANOUT, ...rect(0, 0, 4, 4), 0, 7);
    const saved = device.state();
    const other = new VirtioGpu({ width: 64, height: 32 });
    other.restore(saved);
    expect(other.state()).toEqual(saved);
    expect(other.framebuffer()).toEqual(device.framebuffer());
    const resources = saved.resources as object[];
    expect(() => other.restore({ ...saved, resources: [{ ...resources[0], width: 5 }] } as never)).toThrow(
      "state of 'virtio-gpu' has no valid 'pixels'",
    );
    expect(() => other.restore({ ...saved, resources: [] })).toThrow("no valid 'scanout'");
  });
});
