import { describe, expect, it } from "vitest";
import type { BlockBackEnd } from "./back-end.js";
import { BlobDisk } from "./blob-disk.js";
import { MemoryDisk } from "./memory-disk.js";
import { OverlayDisk } from "./overlay-disk.js";
import { readOnlyDisk } from "./read-only-disk.js";

const pattern = (size: number) => Uint8Array.from({ length: size }, (_, at) => (at * 7 + (at >> 8)) & 0xff);

async function readAll(disk: BlockBackEnd, offset: number, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  await disk.read(offset, target);
  return target;
}

/** A base that answers late, in an order of its own. */
function slowDisk(content: Uint8Array): BlockBackEnd & { reads: number } {
  let turn = 0;
  return {
    size: content.length,
    readOnly: true,
    reads: 0,
    async read(offset, target) {
      this.reads++;
      await new Promise((resolve) => setTimeout(resolve, turn++ % 2 === 0 ? 5 : 1));
      target.set(content.subarray(offset, offset + target.length));
    },
    write() {
      throw new Error("written to the base");
    },
    flush() {},
  };
}

describe("MemoryDisk", () => {
  it("keeps what is written, in its snapshot too", () => {
    const disk = new MemoryDisk(300_000);
    disk.write(65_530, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    disk.write(299_999, Uint8Array.of(9));
    const state = disk.state();
    expect((state.blocks as unknown[]).length).toBe(3);
    const other = new MemoryDisk(pattern(300_000));
    other.restore(state);
    expect(other.bytes).toEqual(disk.bytes);
    expect(() => new MemoryDisk(512).restore(state)).toThrow("the snapshot's disk has 300000 bytes, not 512");
    const wrong = { ...state, blocks: [[5, new Uint8Array(1)]] };
    expect(() => disk.restore(wrong)).toThrow("a disk block that does not fit");
  });

  it("forgets discarded ranges", () => {
    const disk = new MemoryDisk(pattern(1024));
    disk.discard(256, 512);
    expect(disk.bytes.subarray(256, 768).every((byte) => byte === 0)).toBe(true);
    expect(disk.bytes.subarray(0, 256)).toEqual(pattern(1024).subarray(0, 256));
  });
});

describe("OverlayDisk", () => {
  it("agrees with a plain disk over random reads, writes and discards", () => {
    const content = pattern(200_000);
    const overlay = new OverlayDisk(new MemoryDisk(content.slice(), { readOnly: true }));
    const model = new MemoryDisk(content.slice());
    let seed = 3;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let step = 0; step < 400; step++) {
      const offset = random(200_000);
      const length = Math.min(200_000 - offset, random(90_000));
      if (random(3) === 0) {
        const bytes = pattern(length).map((byte) => byte ^ step);
        overlay.write(offset, bytes);
        model.write(offset, bytes);
      } else if (random(4) === 0) {
        overlay.discard(offset, length);
        model.discard(offset, length);
      } else {
        const [a, b] = [new Uint8Array(length), new Uint8Array(length)];
        overlay.read(offset, a);
        model.read(offset, b);
        expect(Buffer.compare(a, b)).toBe(0);
      }
    }
  });

  it("never writes to its base and restores what was written", async () => {
    const base = slowDisk(pattern(200_000));
    const overlay = new OverlayDisk(base);
    await overlay.write(65_000, pattern(2000).fill(0x5a));
    expect(overlay.writtenBlocks).toBe(2);
    const other = new OverlayDisk(base);
    other.restore(overlay.state());
    expect(await readAll(other, 0, 200_000)).toEqual(await readAll(overlay, 0, 200_000));
    expect((await readAll(other, 64_999, 3))[1]).toBe(0x5a);
  });

  it("lets writes to one block not overtake each other while the base is slow", async () => {
    const overlay = new OverlayDisk(slowDisk(pattern(65_536)));
    const first = overlay.write(0, Uint8Array.of(1, 1, 1, 1));
    const second = overlay.write(2, Uint8Array.of(2, 2));
    const read = readAll(overlay, 0, 6);
    await Promise.all([first, second]);
    expect([...(await read)]).toEqual([1, 1, 2, 2, ...pattern(6).subarray(4)]);
    expect([...(await readAll(overlay, 0, 4))]).toEqual([1, 1, 2, 2]);
  });

  it("does not read a block that is written whole", async () => {
    const base = slowDisk(pattern(70_000));
    const overlay = new OverlayDisk(base);
    await overlay.write(0, new Uint8Array(70_000).fill(3));
    expect([base.reads, (await readAll(overlay, 69_999, 1))[0]]).toEqual([0, 3]);
  });
});

describe("BlobDisk", () => {
  it("reads from a Blob and refuses writes", async () => {
    const disk = new BlobDisk(new Blob([pattern(5000)]));
    expect(await readAll(disk, 1000, 512)).toEqual(pattern(5000).slice(1000, 1512));
    expect(() => disk.write()).toThrow("read-only");
  });
});

describe("readOnlyDisk", () => {
  it("takes the right to write away", () => {
    const disk = readOnlyDisk(new MemoryDisk(pattern(512)));
    expect([disk.size, disk.readOnly]).toEqual([512, true]);
    expect(() => disk.write(0, Uint8Array.of(1))).toThrow("read-only");
  });
});
