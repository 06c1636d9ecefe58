/** The test runner must not take a failure for a success: what `judge` makes of reports, output and exit codes. */
import { describe, expect, test } from "bun:test";
import { judge } from "../../scripts/suites.ts";

const report = (cases: string) =>
  `<?xml version="1.0"?>\n<testsuites>\n<testsuite>${cases}</testsuite></testsuites>`;
const passing = '<testcase name="a" classname="" file="x.test.ts" />';
const failing =
  '<testcase name="b &lt;&quot;c&quot;&gt;" classname="g" file="x.test.ts">\n  <failure type="AssertionError" message="no" />\n</testcase>';
const skipping = '<testcase name="s" classname="" file="x.test.ts"><skipped /></testcase>';

describe("a suite", () => {
  test("that passes", () => {
    expect(judge(report(passing + passing), " 2 pass\n 0 fail\n", undefined)).toEqual({
      passed: 2,
      failed: 0,
      skipped: 0,
      failures: [],
    });
  });

  test("with a failure and a skipped test names the failure", () => {
    const outcome = judge(report(passing + failing + skipping), " 1 pass\n 1 skip\n 1 fail\n", "exit code 1");
    expect(outcome).toEqual({ passed: 1, failed: 1, skipped: 1, failures: ['x.test.ts: g > b <"c">'] });
  });

  test("with an error outside of tests fails, although the report does not have it", () => {
    expect(judge(report(passing), " 1 pass\n 1 fail\n 1 error\n", "exit code 1").failed).toBe(1);
  });

  test("that crashed without a report fails", () => {
    expect(judge(undefined, "(pass) a\n", "died of SIGKILL")).toEqual({
      passed: 0,
      failed: 1,
      skipped: 0,
      failures: ["died of SIGKILL"],
    });
  });

  test("that ended badly after its tests passed fails", () => {
    expect(judge(report(passing), " 1 pass\n 0 fail\n", "exit code 3").failures).toEqual(["exit code 3"]);
  });

  test("in which no test ran fails", () => {
    expect(judge(undefined, " 0 pass\n 0 fail\n", undefined).failures).toEqual(["no test ran"]);
    expect(judge(report(""), "", undefined).failed).toBe(1);
  });

  test("whose tests print what looks like a count is not misled", () => {
    // Only the last of such lines is Bun's own.
    const output = "  7 fail\n\n 1 pass\n 0 fail\nRan 1 test across 1 file.\n";
    expect(judge(report(passing), output, undefined).failed).toBe(0);
  });
});
