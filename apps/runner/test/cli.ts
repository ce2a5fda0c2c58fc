// The command line as a program, from its sources.
import { runProcess } from "../src/main.js";

await runProcess();
