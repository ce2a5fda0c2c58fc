// Sorts the time of a CPU profile (as of `node --cpu-prof`) into categories.
import { CATEGORIES, type Category, categoryOf, repositoryPath } from "./profile-categories.ts";

export interface CallFrame {
  readonly functionName: string;
  readonly scriptId: string;
  readonly url: string;
}

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: CallFrame;
  readonly children?: readonly number[];
}

/** The part of the DevTools protocol's `Profiler.Profile` that is used. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Ids of nodes, one for each sample. */
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

export interface ProfileEntry {
  readonly category: Category;
  readonly milliseconds: number;
}

/** Time in each category, in the order of CATEGORIES; those without any are left out. */
export function classifyProfile(profile: CpuProfile): ProfileEntry[] {
  const categories = nodeCategories(profile);
  const microseconds = new Map<Category, number>();
  profile.samples.forEach((id, i) => {
    const category = categories.get(id) ?? "the rest";
    microseconds.set(category, (microseconds.get(category) ?? 0) + Math.max(0, profile.timeDeltas[i] ?? 0));
  });
  return CATEGORIES.filter((category) => microseconds.has(category)).map((category) => ({
    category,
    milliseconds: (microseconds.get(category) ?? 0) / 1000,
  }));
}

function nodeCategories(profile: CpuProfile): Map<number, Category> {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const interpreter = interpreterScript(profile);
  const categories = new Map<number, Category>();
  const visit = (node: ProfileNode, caller: Category): void => {
    const category = frameCategory(node.callFrame, caller, interpreter);
    categories.set(node.id, category);
    for (const child of node.children ?? []) {
      const next = nodes.get(child);
      if (next !== undefined) visit(next, category);
    }
  };
  const [top] = profile.nodes;
  // Node's own start is what nobody of ours has called.
  if (top !== undefined) visit(top, "start-up and images");
  return categories;
}

/** Scripts are numbered as they are made, and the engine makes its interpreter before any region. */
function interpreterScript({ nodes }: CpuProfile): string | undefined {
  const ids = nodes.filter(({ callFrame }) => isWasm(callFrame)).map(({ callFrame }) => callFrame.scriptId);
  return ids.sort((a, b) => Number(a) - Number(b))[0];
}

const isWasm = ({ url }: CallFrame): boolean => url.startsWith("wasm:");

const SPECIAL: Readonly<Record<string, Category>> = {
  "(garbage collector)": "garbage collection",
  "(idle)": "waiting",
  "(program)": "the rest",
};

function frameCategory(frame: CallFrame, caller: Category, interpreter: string | undefined): Category {
  const special = SPECIAL[frame.functionName];
  if (special !== undefined && frame.url === "") return special;
  if (isWasm(frame))
    return frame.scriptId === interpreter ? "guest code, interpreted" : "guest code, compiled";
  // A region's code is lifted again: that is part of compiling it.
  if (caller === "compiling regions") return caller;
  const path = repositoryPath(frame.url);
  return (path === undefined ? undefined : categoryOf(path, frame.functionName)) ?? caller;
}
