// The table of conformance cases as the drivers in JavaScript read it, and what they write about each. A driver is a
// program: `DRIVER ADDRESS CASES` runs every case of the file and writes a line of JSON for each. `DRIVER ADDRESS` alone
// calls on four connections. It writes `begun` when it has called on all; from the first line of its input on it makes one
// call after another on each, until the input has ended and there was one more answer; then it writes how many calls
// ended with which code.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export const SERVICE = "test.echo.v1.EchoService";
export const LONGEST_CALL_MS = 60_000;
const LANES = 4;

export function texts(one) {
  return one.send.flatMap(({ text, times = 1, count = 1 }) => Array(count).fill(text.repeat(times)));
}

export class Answers {
  #said = createHash("sha256");
  count = 0;

  add(text) {
    this.count += 1;
    this.#said.update(`${text}\n`);
  }

  line() {
    return [this.count, this.#said.copy().digest("hex")];
  }
}

// A flag that can be waited for.
export function flag() {
  let raise;
  const raised = new Promise((resolve) => {
    raise = resolve;
  });
  return { raise, raised };
}

async function runTable(cases, once) {
  for (const one of JSON.parse(readFileSync(cases, "utf8"))) {
    const answers = Array.from({ length: one.at_once ?? 1 }, () => new Answers());
    const told = (await Promise.all(answers.map((each) => once(one, each)))).at(-1);
    console.log(JSON.stringify({ case: one.name, ...told, answers: answers.map((each) => each.line()) }));
  }
}

// `open` gives a connection of its own: a function that says a text and gives what was answered, and one that closes it.
async function callWithoutPause(open) {
  const goingOn = flag();
  let isOver = false;
  process.stdin.on("data", goingOn.raise);
  process.stdin.on("end", () => (isOver = true));
  const calls = {};
  let begun = 0;
  const lane = async (_, number) => {
    const { say, close } = open();
    for (let [made, isLast, code] = [0, false, -1]; !(isLast && code === 0); made += 1) {
      isLast = isOver;
      const text = `${number}/${made}`;
      code = await say(text).then(
        (answer) => assert.equal(answer, text) ?? 0,
        (error) => error.code,
      );
      calls[code] = (calls[code] ?? 0) + 1;
      if (made === 0 && (begun += 1) === LANES) console.log("begun");
      await goingOn.raised;
    }
    close();
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  console.log(JSON.stringify(calls));
}

export async function main({ once, open }) {
  const [address, cases] = process.argv.slice(2);
  await (cases === undefined ? callWithoutPause(() => open(address)) : runTable(cases, once(address)));
  process.exit(0);
}
