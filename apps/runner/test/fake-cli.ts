// The command line as a program, on a machine that is a fake: for its terminal, signals and pipes.
import { runProcess } from "../src/main.js";
import { FAKE_ARCHITECTURES } from "./fake-board.js";

await runProcess({ architectures: FAKE_ARCHITECTURES });
