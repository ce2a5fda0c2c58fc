import {
  type Access,
  type DecodedField,
  type Denial,
  decodeFields,
  formatFlags,
  rawEntry,
} from "@hypercraft/guest-page-table-entry";
import type { VirtAddr } from "./address.js";
import { PagingError } from "./error.js";
import type { PageTableFormat } from "./format.js";
import { hex, InputAddresses, pageOffset } from "./input-address.js";
import type { Mapping, PageSize } from "./mapping.js";
import type { TableMemory } from "./paging.js";

/** One step of an explained walk. */
export interface ExplainedLevel {
  /** 0 is the root. */
  readonly level: number;
  /** The level's name in the architecture's manual. */
  readonly name: string;
  readonly tablePaddr: number;
  readonly index: number;
  readonly entryPaddr: number;
  readonly raw: bigint;
  readonly kind: "leaf" | "table" | "absent";
  /** The entry's parts; of an absent entry as if it were what the level usually holds. */
  readonly fields: readonly DecodedField[];
}

/**
 * How a walk ends:
 *
 * - `mapped`: at a page, and the access (if one was given) is allowed.
 * - `denied`: `reason` says why: the address is none that the format translates (`address`), an entry is not present
 *   (`absent`) or breaks the format's rules (`malformed`), a table is not in memory (`memory`), or an entry forbids the
 *   access (`permission`). `denial` names the bit, `level` the level; `mapping` is there where only permission is missing.
 */
export type WalkResult =
  | { readonly kind: "mapped"; readonly mapping: Mapping }
  | {
      readonly kind: "denied";
      readonly reason: "address" | "absent" | "malformed" | "memory" | "permission";
      readonly message: string;
      readonly level?: number;
      readonly denial?: Denial;
      readonly mapping?: Mapping;
    };

/** A walk, step by step. */
export interface Explanation {
  readonly format: string;
  readonly address: VirtAddr;
  readonly access?: Access;
  readonly levels: readonly ExplainedLevel[];
  readonly result: WalkResult;
}

/** Walks a table as hardware would and reports every step. */
export function explainWalk(
  format: PageTableFormat,
  memory: TableMemory,
  rootPaddr: number,
  address: VirtAddr,
  access?: Access,
): Explanation {
  const levels: ExplainedLevel[] = [];
  const path: number[] = [];
  const result = walkResult(format, memory, rootPaddr, address, access, levels, path);
  return { format: format.name, address, ...(access && { access }), levels, result };
}

function walkResult(
  format: PageTableFormat,
  memory: TableMemory,
  rootPaddr: number,
  address: VirtAddr,
  access: Access | undefined,
  levels: ExplainedLevel[],
  path: number[],
): WalkResult {
  const { words } = memory;
  let page: number;
  try {
    page = new InputAddresses(format).pageOf(address);
  } catch (error) {
    if (error instanceof PagingError) return { kind: "denied", reason: "address", message: error.message };
    throw error;
  }
  let tablePaddr = rootPaddr;
  for (const [level, shape] of format.levels.entries()) {
    const base = memory.wordIndex(tablePaddr);
    if (base < 0) {
      const message = `the ${shape.name} table at ${hex(tablePaddr)} is not in memory`;
      return { kind: "denied", reason: "memory", level, message };
    }
    const index = Math.floor(page / 2 ** (shape.shift - 12)) & (2 ** shape.bits - 1);
    const at = base + index * 2;
    const step = explainEntry(format, words, at, level, tablePaddr, index);
    levels.push(step);
    path.push(at);
    if (step.kind === "absent") return denied("absent", level, shape.name, format.pte.absence(words, at));
    const malformed = format.pte.malformed(words, at, step.kind, shape.shift);
    if (malformed) return denied("malformed", level, shape.name, malformed);
    if (step.kind === "leaf") return leafResult(format, words, path, page, address, access);
    tablePaddr = format.pte.paddr(words, at);
  }
  throw new Error("the last level of a format holds leaves only");
}

function explainEntry(
  format: PageTableFormat,
  words: Uint32Array,
  at: number,
  level: number,
  tablePaddr: number,
  index: number,
): ExplainedLevel {
  const { pte, levels } = format;
  const { name, leaf } = levels[level]!;
  const last = level === levels.length - 1;
  const isLeaf = last || (leaf && pte.isHuge(words, at));
  return {
    level,
    name,
    tablePaddr,
    index,
    entryPaddr: tablePaddr + index * 8,
    raw: rawEntry(words, at),
    kind: pte.isPresent(words, at) ? (isLeaf ? "leaf" : "table") : "absent",
    fields: decodeFields(pte, words, at, isLeaf ? "leaf" : "table"),
  };
}

function leafResult(
  format: PageTableFormat,
  words: Uint32Array,
  path: readonly number[],
  page: number,
  address: VirtAddr,
  access: Access | undefined,
): WalkResult {
  const at = path[path.length - 1]!;
  const size = 2 ** format.levels[path.length - 1]!.shift;
  const paddr = format.pte.paddr(words, at);
  const offset = (page % (size / 4096)) * 4096 + pageOffset(address);
  const mapping: Mapping = {
    paddr: paddr - (paddr % size) + offset,
    flags: format.pte.flags(words, at),
    size: size as PageSize,
  };
  const denial = access && format.pte.denies(words, path, access);
  if (!denial) return { kind: "mapped", mapping };
  const { level, ...rest } = denial;
  return { ...denied("permission", level, format.levels[level]!.name, rest), mapping };
}

function denied(reason: "absent" | "malformed" | "permission", level: number, name: string, denial: Denial) {
  const bit = `${denial.field} (bit ${denial.bit}) = ${denial.value}`;
  return { kind: "denied", reason, level, denial, message: `${name}: ${bit}: ${denial.rule}` } as const;
}

/** An explanation as text, one line a level. */
export function formatExplanation(explanation: Explanation): string {
  const { format, address, access, levels, result } = explanation;
  const lines = [`${format}: ${hex(address)}${access ? `, ${accessName(access)}` : ""}`];
  for (const { name, index, raw, kind, fields } of levels) {
    const shown = fields.filter(({ value }) => value !== 0).map(fieldText);
    const meaning = kind === "absent" ? "absent" : `${kind} ${shown.join(" ")}`;
    lines.push(`  ${name}[${index}] = 0x${raw.toString(16).padStart(16, "0")} ${meaning}`);
  }
  if (result.mapping) {
    const { paddr, flags, size } = result.mapping;
    lines.push(`  -> ${hex(paddr)} ${formatFlags(flags)}, page of ${hex(size)} bytes`);
  }
  if (result.kind === "denied") lines.push(`  denied: ${result.message}`);
  return lines.join("\n");
}

function accessName({ kind, user }: Access): string {
  return user ? `${kind} by unprivileged code` : kind;
}

function fieldText({ name, width, value, meaning }: DecodedField): string {
  if (meaning !== undefined) return `${name}=${meaning}`;
  return width === 1 ? name : `${name}=${hex(value)}`;
}
