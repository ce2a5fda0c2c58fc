// Maps, queries and unmaps 1 GiB in 4 KiB pages, page by page, against the same three loops over a plain typed array
// (which has no levels, no checks and no frames: a lower bound). The aim is a ratio below 5.
import {
  aarch64Stage2,
  ept,
  FramePool,
  PageTable64,
  type PageTableFormat,
  sv39,
  sv39x4,
  sv48,
  x86_64,
} from "@hypercraft/guest-page-table";
import { MappingFlags } from "@hypercraft/guest-page-table-entry";

const PAGES = 2 ** 18;
const GPA = 0x8000_0000;
const HPA = 0x1_4000_0000;
const FLAGS = MappingFlags.READ | MappingFlags.WRITE | MappingFlags.EXECUTE;
const ROUNDS = 40;

interface Times {
  map: number;
  query: number;
  unmap: number;
}

// Each loop is a function of a chunk of pages, called often, so that it gets compiled for good early on.
const CHUNK = 512;

function writeEntries(entries: Uint32Array, first: number): number {
  for (let page = first; page < first + CHUNK; page++) {
    const paddr = HPA + page * 4096;
    entries[page * 2 + 1] = paddr / 2 ** 32;
    entries[page * 2] = paddr | 7;
  }
  return 0;
}

function readEntries(entries: Uint32Array, first: number): number {
  let sum = 0;
  for (let page = first; page < first + CHUNK; page++) {
    const low = entries[page * 2]!;
    if ((low & 1) !== 0) sum += entries[page * 2 + 1]! * 2 ** 32 + ((low & ~0xfff) >>> 0);
  }
  return sum;
}

function clearEntries(entries: Uint32Array, first: number): number {
  for (let page = first; page < first + CHUNK; page++) {
    entries[page * 2] = 0;
    entries[page * 2 + 1] = 0;
  }
  return 0;
}

function mapPages(table: PageTable64, first: number): number {
  for (let page = first; page < first + CHUNK; page++) {
    table.map(GPA + page * 4096, HPA + page * 4096, 4096, FLAGS);
  }
  return 0;
}

function queryPages(table: PageTable64, first: number): number {
  let sum = 0;
  for (let page = first; page < first + CHUNK; page++) sum += table.query(GPA + page * 4096).paddr;
  return sum;
}

function unmapPages(table: PageTable64, first: number): number {
  for (let page = first; page < first + CHUNK; page++) table.unmap(GPA + page * 4096);
  return 0;
}

function timed<T>(of: T, loop: (of: T, first: number) => number, expected: number): number {
  const start = performance.now();
  let sum = 0;
  for (let first = 0; first < PAGES; first += CHUNK) sum += loop(of, first);
  const time = performance.now() - start;
  if (sum !== expected) throw new Error(`the addresses add up to ${sum}, not ${expected}`);
  return time;
}

const ADDRESS_SUM = PAGES * HPA + (4096 * PAGES * (PAGES - 1)) / 2;

function typedArrayRound(entries: Uint32Array): Times {
  return {
    map: timed(entries, writeEntries, 0),
    query: timed(entries, readEntries, ADDRESS_SUM),
    unmap: timed(entries, clearEntries, 0),
  };
}

function tableRound(format: PageTableFormat, pool: FramePool): Times {
  const table = PageTable64.tryNew(format, pool);
  const result = {
    map: timed(table, mapPages, 0),
    query: timed(table, queryPages, ADDRESS_SUM),
    unmap: timed(table, unmapPages, 0),
  };
  table.dispose();
  return result;
}

function regionRound(format: PageTableFormat, pool: FramePool): number {
  const table = PageTable64.tryNew(format, pool);
  const start = performance.now();
  table.mapRegion(GPA, HPA, PAGES * 4096, FLAGS, false);
  table.unmapRegion(GPA, PAGES * 4096);
  const end = performance.now();
  table.dispose();
  return end - start;
}

const total = ({ map, query, unmap }: Times) => map + query + unmap;
const perPage = (ms: number) => ((ms * 1e6) / PAGES).toFixed(1).padStart(7);
const row = (name: string, { map, query, unmap }: Times) =>
  `${name.padEnd(40)}${perPage(map)} ${perPage(query)} ${perPage(unmap)}`;

function keepBest(best: Times, round: Times): void {
  for (const part of ["map", "query", "unmap"] as const) best[part] = Math.min(best[part], round[part]);
}

const entries = new Uint32Array(PAGES * 2);
const pool = FramePool.ofSize(600, 0x10_0000);
// All formats in one process: what a program with several of them sees, not what one specialised loop could do.
const formats = [sv39x4, sv39, sv48, x86_64, ept, aarch64Stage2];
const never = () => ({ map: Infinity, query: Infinity, unmap: Infinity });
const base = never();
const best = formats.map(never);
// In turns, so that a machine that is slow for a while is slow for all of them. The best of each part counts.
for (let round = 0; round < ROUNDS; round++) {
  keepBest(base, typedArrayRound(entries));
  for (const [index, format] of formats.entries()) keepBest(best[index]!, tableRound(format, pool));
}

console.log("1 GiB in 4 KiB pages, nanoseconds a page      map   query   unmap   ratio");
console.log(row("typed array", base));
for (const [index, { name }] of formats.entries()) {
  const ratio = total(best[index]!) / total(base);
  console.log(`${row(name, best[index]!)} ${ratio.toFixed(2).padStart(7)}`);
}
const worst = Math.max(...best.map((times) => total(times) / total(base)));
const region = Math.min(...Array.from({ length: ROUNDS }, () => regionRound(sv39x4, pool)));
console.log(`mapRegion and unmapRegion (Sv39x4, 4 KiB pages): ${perPage(region).trim()} ns a page`);
console.log(`worst ratio ${worst.toFixed(2)} (aim: below 5)`);
