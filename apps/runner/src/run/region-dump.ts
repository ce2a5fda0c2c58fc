import { formatListing, RegionWatch, type Unlisted } from "@hypercraft/engine";
import type { RegionDumpConfig, RunControl } from "../config/run-config.js";
import { writeOutput } from "../files/output-file.js";
import { type CliIo, notice } from "../io.js";
import type { Machine } from "../machine/contract.js";
import { loadToText, WABT_HINT } from "./wabt.js";

/** `--dump-region`: prints compiled code, and at the end what there was none for. */
export class RegionDump {
  /** For the machine. */
  readonly watch: RegionWatch;
  readonly #wat: boolean;
  readonly #control: Pick<RunControl, "dumpFile" | "tier">;
  readonly #io: Pick<CliIo, "stderr">;
  readonly #loadToText: typeof loadToText;
  /** What goes to the file, which is written at the end. */
  #text = "";
  /** Modules whose text is printed at the end: what makes it is loaded then. */
  readonly #modules: { readonly entry: bigint; readonly module: Uint8Array }[] = [];

  constructor(
    { pcs, all, wat }: RegionDumpConfig,
    control: Pick<RunControl, "dumpFile" | "tier">,
    io: Pick<CliIo, "stderr">,
    load: typeof loadToText = loadToText,
  ) {
    this.#wat = wat;
    this.#control = control;
    this.#io = io;
    this.#loadToText = load;
    this.watch = new RegionWatch({
      pcs,
      all,
      onRegion: (listing) => {
        this.#print(`${formatListing(listing)}\n`);
        if (wat) this.#modules.push(listing);
      },
    });
  }

  /** @throws CliError when the file cannot be written. */
  async finish(machine: Pick<Machine, "unlistedRegions"> | undefined): Promise<void> {
    if (this.#wat && this.#modules.length > 0) await this.#printModules();
    const { dumpFile, tier } = this.#control;
    if (dumpFile !== undefined) await writeOutput(dumpFile, this.#text);
    for (const fate of machine?.unlistedRegions() ?? []) notice(this.#io, fateText(fate, tier));
  }

  async #printModules(): Promise<void> {
    const toText = await this.#loadToText();
    if (toText === undefined) return notice(this.#io, WABT_HINT);
    for (const { entry, module } of this.#modules)
      this.#print(`;; region at 0x${entry.toString(16)}\n${toText(module)}\n`);
  }

  #print(text: string): void {
    if (this.#control.dumpFile === undefined) this.#io.stderr.write(text);
    else this.#text += text;
  }
}

function fateText({ pc, why, executions }: Unlisted, tier: RunControl["tier"]): string {
  const address = `0x${pc.toString(16)}`;
  const never = `--dump-region: ${address} was never compiled`;
  const times = executions === 1 ? "once" : `${executions} times`;
  switch (why) {
    case "unseen":
      return `${never}: no code of its page was executed (the address is a virtual one, as the guest sees it)`;
    case "unreached":
      return `${never}: other code of its page was executed, but no instruction there`;
    case "refused":
      return (
        `${never}: executed about ${times}, in a block whose first instruction is left to the interpreter, ` +
        "so that no region can begin with it; a region that led there would have it"
      );
    default:
      if (tier === "cold") return `${never}: executed about ${times}; with --tier cold nothing is`;
      return `${never}: executed about ${times}${tier === "hot" ? "" : ", too rarely; --tier hot compiles early"}`;
  }
}
