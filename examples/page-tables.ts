// Page tables alone: one walker for every architecture, in memory that hardware could walk.
import {
  FramePool,
  formatExplanation,
  MappingFlags,
  PageTable64,
  sv39,
  sv39x4,
  x86_64,
} from "@hypercraft/guest-page-table";

const { READ, WRITE, EXECUTE, USER } = MappingFlags;
const MIB = 1 << 20;
const frames = FramePool.ofSize(64, 0x8000_0000); // 64 frames of 4 KiB, physical memory for tables

// A process: 8 KiB of code, a page of stack, and 2 MiB of heap that becomes one large page.
for (const format of [sv39, x86_64]) {
  const table = PageTable64.tryNew(format, frames);
  table.mapRegion(0x1_0000, 0x8100_0000, 8192, READ | EXECUTE | USER);
  table.map(0x3f_f000, 0x8100_2000, 4096, READ | WRITE | USER);
  table.mapRegion(0x40_0000, 0x8120_0000, 2 * MIB, READ | WRITE | USER);
  console.log(`${format.name}: 0x512345 is 0x${table.translate(0x51_2345)?.toString(16)}`);
  // Why does a write to the code fault? The entries of each level, and the bit that says no.
  console.log(formatExplanation(table.explain(0x1_0008, { kind: "write", user: true })));
  table.dispose();
}

// A guest's memory: 1 GiB at 0x8000_0000, in one entry of the second stage.
const guest = PageTable64.tryNew(sv39x4, frames);
guest.mapRegion(0x8000_0000, 0x4000_0000, 1024 * MIB, READ | WRITE | EXECUTE | USER);
console.log(`hgatp 0x${guest.format.token(guest.rootPaddr, 1).toString(16)}`);
console.log(formatExplanation(guest.explain(0x8020_0000, { kind: "execute", user: true })));
try {
  guest.map(0x8020_0000, 0, 4096, READ);
} catch (error) {
  console.log(String(error));
}
