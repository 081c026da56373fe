"""Reviews policy files with the pdp's own compiler and runner, so that CI refuses what the pdp would refuse."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.pdp.v1.bundle_pb2 import PolicyFile
from ringfence_pdp import bundle
from ringfence_pdp.compile import compile_files
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.policy_tests.coverage import Report, run_tests

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """How the tests of policies went."""

    report: Report

    def as_json(self) -> dict[str, object]:
        """Return the report for programs."""
        results = [
            {
                "where": str(result.test.place),
                "name": result.test.name,
                "passed": result.passed,
                "problems": list(result.problems),
            }
            for result in self.report.results
        ]
        told: dict[str, object] = {"run": len(results), "failed": self.report.failed, "results": results}
        if self.report.unkilled is not None:
            told["unkilled_rules"] = list(self.report.unkilled)
        return told

    def as_junit(self) -> str:
        """Return the report as JUnit writes it: a suite for each file, a case for each test."""
        suites = ET.Element("testsuites")
        by_file: dict[str, ET.Element] = {}
        for result in self.report.results:
            path = result.test.place.file
            suite = by_file.get(path)
            if suite is None:
                suite = by_file[path] = ET.SubElement(suites, "testsuite", name=path)
            line = str(result.test.place.mark.line)
            case = ET.SubElement(suite, "testcase", classname=path, name=result.test.name, file=path, line=line)
            if not result.passed:
                told = "\n".join(result.problems)
                ET.SubElement(case, "failure", message=result.problems[0]).text = told
        for suite in by_file.values():
            suite.set("tests", str(len(suite)))
            suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suites.set("tests", str(len(self.report.results)))
        suites.set("failures", str(self.report.failed))
        ET.indent(suites)
        return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def run_policy_tests(files: Sequence[PolicyFile], *, name_contains: str = "", coverage: bool = False) -> Tested:
    """Compile `files` as one bundle and run its tests; raise Problem when they do not compile."""
    try:
        compiled = compile_files([bundle.PolicyFile(path=file.path, content=file.content) for file in files])
    except BundleInvalid as invalid:
        first = invalid.violations[0]
        raise Problem(
            f"{first.field}: {first.problem}",
            code=ExitCode.CONFIGURATION,
            mend="`ringfence policy lint` lists the rest",
        ) from invalid
    tests = [test for test in compiled.tests if name_contains in test.name]
    return Tested(report=run_tests(tests, compiled, coverage=coverage))
