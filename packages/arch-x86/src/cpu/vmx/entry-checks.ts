import { CONTROL_RULES } from "./control-rules.js";
import { EntryView, type Rule } from "./entry-view.js";
import { VmcsField } from "./fields.js";
import { GUEST_RULES } from "./guest-rules.js";
import { HOST_RULES } from "./host-rules.js";
import { FIELD_WORDS, VMCS_SIZE, type Vmcs, wordOf } from "./vmcs.js";

/** In the order of the manual: what breaks the first ones is told first. */
const RULES: readonly Rule[] = [...CONTROL_RULES, ...HOST_RULES, ...GUEST_RULES];
const SETS = Math.ceil(RULES.length / 32);
const ALL = new Int32Array(SETS).fill(-1);

/** No rule is about these bits of RFLAGS, which are other ones at each exit. */
const STATUS_FLAGS = 0xcd5;
const RFLAGS = wordOf(VmcsField.GUEST_RFLAGS);

/** A rule that is broken, and what it is about. */
export interface BrokenRule {
  readonly about: "controls" | "host" | "guest";
  readonly rule: string;
}

/** Notes which fields the present rule reads. */
class ReadingView extends EntryView {
  private readonly readers: Int32Array;
  rule = 0;

  constructor(vmcs: Vmcs, longMode: boolean, readers: Int32Array) {
    super(vmcs, longMode);
    this.readers = readers;
  }

  override get(field: number): number {
    this.note(wordOf(field));
    return super.get(field);
  }

  override big(field: number): bigint {
    const word = wordOf(field);
    this.note(word);
    this.note(word + 1);
    return super.big(field);
  }

  private note(word: number): void {
    const at = word * SETS + (this.rule >> 5);
    this.readers[at] = (this.readers[at] as number) | (1 << (this.rule & 31));
  }
}

/**
 * The checks of VM entries. A rule that was kept is looked at again only once something that it read has another value
 * than it had then, whoever wrote that, and into whichever region.
 */
export class EntryChecks {
  private readonly seen = new Int32Array(VMCS_SIZE / 4);
  /** By word of the region: the rules that read it, a bit each. */
  private readonly readers = new Int32Array((VMCS_SIZE / 4) * SETS);
  /** Rules to be looked at. */
  private readonly open = ALL.slice();
  private longMode = false;

  /** The first rule that an entry with this VMCS breaks. */
  broken(vmcs: Vmcs, longMode: boolean): BrokenRule | undefined {
    if (this.longMode !== longMode) this.open.set(ALL);
    this.longMode = longMode;
    this.compare(vmcs.words);
    const { open } = this;
    if (open.every((set) => set === 0)) return undefined;
    const view = new ReadingView(vmcs, longMode, this.readers);
    for (let i = 0; i < RULES.length; i++) {
      const bit = 1 << (i & 31);
      const set = open[i >> 5] as number;
      if ((set & bit) === 0) continue;
      view.rule = i;
      const [rule, holds] = RULES[i] as Rule;
      if (!holds(view)) return { about: subject(i), rule };
      open[i >> 5] = set & ~bit;
    }
    open.fill(0);
    return undefined;
  }

  private compare(words: Int32Array): void {
    const { seen, readers, open } = this;
    if ((((words[RFLAGS] as number) ^ (seen[RFLAGS] as number)) & ~STATUS_FLAGS) === 0)
      seen[RFLAGS] = words[RFLAGS] as number;
    for (let word = FIELD_WORDS.first; word < FIELD_WORDS.end; word++) {
      if (words[word] === seen[word]) continue;
      seen[word] = words[word] as number;
      for (let set = 0; set < SETS; set++)
        open[set] = (open[set] as number) | (readers[word * SETS + set] as number);
    }
  }
}

function subject(rule: number): BrokenRule["about"] {
  if (rule < CONTROL_RULES.length) return "controls";
  return rule < CONTROL_RULES.length + HOST_RULES.length ? "host" : "guest";
}
