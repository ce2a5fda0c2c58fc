import type { Node } from "../ir/node.js";
import { Op } from "../ir/ops.js";
import { ENGINE_STATE as E, type Field, MAX_STATE_BYTES } from "../state/layout.js";

const SLOTS = MAX_STATE_BYTES / 8;
const FLAGS_SLOT = E.fpFlags >> 3;

/** By field offset / 8; valid where `since` is the epoch of who asks. All share them: epochs are never used twice. */
const values: (Node | null)[] = new Array<Node | null>(SLOTS).fill(null);
const since = new Int32Array(SLOTS);
let lastEpoch = 0;

/**
 * What is known of the state's fields at a point of the block, while it is being built. A later `get` gives:
 * - the constant or page-relative address that was set, so that lui/addi pairs and address arithmetic fold.
 *   Other values set are left in their field: for the cold tier reading the field again costs nothing, and code that
 *   resumes in the middle of the block has not computed them;
 * - the value of an earlier `get`, if the field was not written since.
 */
export class KnownFields {
  private epoch = ++lastEpoch;

  /** Nothing is known any more. */
  clear(): void {
    this.epoch = ++lastEpoch;
  }

  /** The value the field is known to have, or null. */
  get(field: Field): Node | null {
    const slot = field.offset >> 3;
    return since[slot] === this.epoch ? (values[slot] as Node) : null;
  }

  set(field: Field, value: Node): void {
    const slot = field.offset >> 3;
    if (value.op === Op.const || value.op === Op.pc) this.read(field, value);
    else since[slot] = 0;
  }

  /** `value` is what the field holds. */
  read(field: Field, value: Node): void {
    const slot = field.offset >> 3;
    values[slot] = value;
    since[slot] = this.epoch;
  }

  /** A floating-point operation changed the flags. */
  raiseFlags(): void {
    since[FLAGS_SLOT] = 0;
  }
}
