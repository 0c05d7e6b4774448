"""Deploys the templates as a user does, to the emulator in cloudformation.py.

Run by scripts/template deploy. SAM itself packages and deploys; what is asserted
is what CloudFormation then has.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import boto3
import yaml
from samcli.yamlhelper import yaml_parse

from transform import transform

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-central-1"
ACCOUNT = "123456789012"  # moto's
ARTIFACTS = "artifacts"
FUNCTIONS = ("Pull", "Push", "Verify", "Delete", "Announce", "Token")
ALARMS = ("ServerErrors", "PullThrottles", "PushThrottles", "DeleteThrottles", "TokenThrottles", "VerifyDropped",
          "ReadThrottles", "WriteThrottles", "NotAnnounced", "AnnounceErrors", "AnnounceLate", "NotDelivered")
EVENTS = ("AnnounceChanges", "Unannounced", "Bus")


def setUpModule():
    global emulator, environment, cloudformation
    emulator = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("cloudformation.py")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    unittest.addModuleCleanup(emulator.stdout.close)
    unittest.addModuleCleanup(emulator.wait)
    unittest.addModuleCleanup(emulator.kill)
    for line in emulator.stdout:
        if line.startswith("http"):
            break
    else:
        raise RuntimeError("the emulator of CloudFormation did not start")
    environment = {
        "AWS_ENDPOINT_URL": line.strip(),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "SAM_CLI_TELEMETRY": "0",
    }
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(environment)
    boto3.client("s3").create_bucket(Bucket=ARTIFACTS, CreateBucketConfiguration={"LocationConstraint": REGION})
    cloudformation = boto3.client("cloudformation")


def sam(*arguments):
    done = subprocess.run(["sam", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"sam {arguments[0]}: {done.stdout}{done.stderr}")
    return done.stdout


_packaged = None


def packaged():
    """The template after sam package, which uploads the code and the nested one."""
    global _packaged
    if _packaged is None:
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "packaged.yaml"
            sam("package", "--template-file", "template.yaml", "--s3-bucket", ARTIFACTS, "--output-template-file", str(out))
            _packaged = out.read_text()
    return _packaged


def deploy(name, **parameters):
    """Makes a stack and returns its outputs and its resources' names by id."""
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=packaged(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    if stack["StackStatus"] != "CREATE_COMPLETE":
        raise AssertionError(f"stack {name} is {stack['StackStatus']}")
    return {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}, resources(name)


def resources(name):
    found = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    # moto also lists what a condition left out, and gives some kinds no name.
    return {r["LogicalResourceId"]: r.get("PhysicalResourceId") for r in found if "LogicalResourceId" in r}


def sources(scratch):
    """A copy of what scripts/deploy needs, since SAM leaves a file in the tree."""
    for folder in ("functions", "shared"):
        shutil.copytree(ROOT / folder, Path(scratch) / folder)
    for file in ("go.mod", "go.sum", "template.yaml", "infra/state.yaml", "infra/webhook.yaml", "scripts/build", "scripts/deploy"):
        (Path(scratch) / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, Path(scratch) / file)
    return Path(scratch)


def statements(role):
    iam = boto3.client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=n)["PolicyDocument"] for n in names]
    # moto keeps what it was given, which here is the text of a Python value.
    return [s for d in documents for s in ast.literal_eval(d)["Statement"]]


def tables():
    return boto3.client("dynamodb").list_tables()["TableNames"]


def buckets():
    return [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]]


class SigningKey(unittest.TestCase):
    """What keeps the signing key in SSM, at an SSM that we have not written."""

    def test_vault(self):
        done = subprocess.run(
            ["go", "test", "-count=1", "./shared/access/vault/ssm"],
            cwd=ROOT, capture_output=True, text=True,
            env={**os.environ, "BERTH_TEST_SSM": environment["AWS_ENDPOINT_URL"]},
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Deployment(unittest.TestCase):
    maxDiff = None

    def assertResolved(self, value):
        """Nothing is left of ${...} and of calls: CloudFormation would have refused them."""
        text = json.dumps(value, default=str)
        self.assertNotIn("${", text)
        self.assertNotIn('"Fn::', text)
        self.assertNotIn('"Ref"', text)

    def stack(self, name, **parameters):
        made = deploy(name, **parameters)
        self.addCleanup(cloudformation.delete_stack, StackName=name)
        return made

    def test_the_first_time_the_next_and_the_last(self):
        """scripts/deploy as a user has it: SAM's questions, then what it remembers; and sam delete."""
        settings = '{repositories: [{pattern: "mirror/**", indexes: none}], limits: {manifest-size: 8MiB}}'
        asked = {"Access": "open", "Settings": settings, "Retention": "7"}
        template = yaml_parse((ROOT / "template.yaml").read_text())
        events = [e for r in template["Resources"].values() for e in r["Properties"].get("Events", {}).values()]
        answers = ["", ""]  # name and region
        answers += [asked.get(p, "") for p in template["Parameters"]]
        answers += ["", "", ""]  # no confirmation of changes, roles may be made, what failed is rolled back
        answers += ["y" for e in events if e["Type"] == "HttpApi"]  # that none of them has an authorizer
        answers += ["", "", ""]  # the answers are saved, where SAM looks for them
        with tempfile.TemporaryDirectory() as scratch:
            tree = sources(scratch)
            for step, stdin in (("first", "\n".join(answers) + "\n"), ("next", "")):
                with self.subTest(step):
                    done = subprocess.run([tree / "scripts/deploy"], input=stdin, capture_output=True, text=True)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    pull = resources("berth")["Pull"]
                    got = boto3.client("lambda").get_function_configuration(FunctionName=pull)
                    self.assertEqual(got["Environment"]["Variables"]["BERTH_SETTINGS"], settings)
            # moto wants no capabilities. CloudFormation wants both, the second for a macro beside a nested stack.
            remembered = (tree / "samconfig.toml").read_text()
            for capability in ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"):
                self.assertIn(capability, remembered)
        self.addCleanup(cloudformation.delete_stack, StackName="berth")

    def test_with_arguments(self):
        self.addCleanup(cloudformation.delete_stack, StackName="team-c")
        done = subprocess.run(
            ["scripts/deploy", "--stack-name", "team-c", "--s3-bucket", ARTIFACTS, "--region", REGION,
             "--parameter-overrides", "Access=open"],
            cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Successfully created/updated stack - team-c", done.stdout)

    def test_outputs(self):
        outputs, made = self.stack("outputs")
        self.assertResolved(outputs)
        host = f"{made['Api']}.execute-api.{REGION}.amazonaws.com"
        self.assertEqual(outputs, {
            "Registry": host,
            "Login": f"berth policy set policy.yaml --table {outputs['Table']} && "
                     f"berth robot create admin --table {outputs['Table']} && docker login {host}",
            "Table": outputs["Table"],
            "Bucket": outputs["Bucket"],
            "PullFunction": made["Pull"],
            "PushFunction": made["Push"],
            "DeleteFunction": made["Delete"],
            "VerifyFunction": made["Verify"],
            "TokenFunction": made["Token"],
            "AnnounceFunction": made["Announce"],
            "Stream": outputs["Stream"],
            "Bus": "outputs-events",
            "Redrive": f"berth redrive --queue {made['Unannounced']} --table {outputs['Table']} --bus outputs-events "
                       f"--url https://{host}",
            "AccessLog": "/aws/vendedlogs/berth/outputs/access",
        })
        self.assertIn(outputs["Table"], tables())
        self.assertIn(outputs["Bucket"], buckets())
        self.assertIn(f"table/{outputs['Table']}/stream/", outputs["Stream"])

    def test_functions(self):
        outputs, made = self.stack("functions", Indexes="none", ReferrersHeader="off", LogLevel="debug")
        for name in FUNCTIONS:
            with self.subTest(name):
                got = boto3.client("lambda").get_function_configuration(FunctionName=made[name])
                self.assertResolved(got)
                timeout = {"Verify": 900, "Announce": 60}.get(name, 29)
                self.assertEqual((got["Runtime"], got["Handler"], got["Timeout"]), ("provided.al2023", "bootstrap", timeout))
                self.assertEqual(got["Role"], f"arn:aws:iam::{ACCOUNT}:role/{made[name + 'Role']}")
                variables = got["Environment"]["Variables"]
                self.assertEqual(variables["BERTH_TABLE"], outputs["Table"])
                self.assertEqual(variables["BERTH_BUCKET"], outputs["Bucket"])
                self.assertEqual(variables["BERTH_LOG_LEVEL"], "debug")
                self.assertEqual(variables["BERTH_ACCESS"], "policy")
                self.assertEqual("BERTH_SIGNING_KEY" in variables, name == "Token")
                self.assertEqual(variables.get("BERTH_BUS"), made["Bus"] if name in ("Pull", "Announce") else None)
                self.assertEqual(variables.get("BERTH_VERIFIER"), made["Verify"] if name == "Push" else None)
                self.assertEqual(yaml.safe_load(variables["BERTH_SETTINGS"]),
                                 {"repositories": [{"pattern": "**", "indexes": "none", "referrers-header": "off"}]})

    def test_own_settings_win(self):
        settings = '{repositories: [{pattern: "mirror/**", indexes: none}]}'
        _, made = self.stack("settings", Settings=settings, Indexes="all")
        got = boto3.client("lambda").get_function_configuration(FunctionName=made["Pull"])
        self.assertEqual(got["Environment"]["Variables"]["BERTH_SETTINGS"], settings)

    def test_policies_name_what_is_there(self):
        outputs, made = self.stack("policies", Tracing="true")
        table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{outputs['Table']}"
        bucket = f"arn:aws:s3:::{outputs['Bucket']}"
        for name in FUNCTIONS:
            with self.subTest(name):
                found = statements(made[name + "Role"])
                self.assertResolved(found)
                # moto leaves off the ":*" that ends the ARN of a log group.
                logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{made[name + 'Logs']}"
                there = {table, bucket, f"{bucket}/object/*", f"{bucket}/object/manifests/*", f"{bucket}/tail/*", logs}
                if name == "Push":
                    there.add(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{made['Verify']}")
                if name == "Announce":
                    there = {table, f"{table}/stream/*", logs, f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/policies-events",
                             f"arn:aws:sqs:{REGION}:{ACCOUNT}:{made['Unannounced'].rpartition('/')[2]}"}
                if name == "Token":
                    there = {table, logs, f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/berth/policies/signing-key"}
                for statement in found:
                    named = statement["Resource"]
                    for resource in named if isinstance(named, list) else [named]:
                        self.assertIn(resource, {"*"} if statement["Sid"] == "Trace" else there, statement["Sid"])

    def test_routes_may_invoke_their_functions(self):
        """moto has no such permission, and without it a route answers 500 on AWS. In braces is what SAM has left of a
        route's variable: it would have to be what the gateway calls the route."""
        made = transform(yaml_parse(packaged()))["Resources"].values()
        sources = [r["Properties"]["SourceArn"]["Fn::Sub"][0] for r in made if r["Type"] == "AWS::Lambda::Permission"]
        routes = sorted(s.rpartition("${__Stage__}")[2] for s in sources)
        self.assertEqual(routes, [
            "/*", "/DELETE/*", "/DELETE/_berth/robots", "/GET/_berth/policy", "/GET/_berth/robots", "/GET/token",
            "/PATCH/*", "/POST/*", "/POST/_berth/keys/rotate", "/POST/_berth/robots", "/POST/_berth/robots/rotate", "/POST/token",
            "/PUT/*", "/PUT/_berth/policy",
        ])

    def test_two_side_by_side(self):
        first, made_first = self.stack("team-a")
        second, made_second = self.stack("team-b")
        for key in first:
            self.assertNotEqual(first[key], second[key], key)
        self.assertEqual(made_first.keys(), made_second.keys())
        for key in (k for k, v in made_first.items() if v):
            self.assertNotEqual(made_first[key], made_second[key], key)

    def test_what_lasts_outlives_the_stack(self):
        outputs, _ = deploy("short-lived")
        cloudformation.delete_stack(StackName="short-lived")
        self.assertIn(outputs["Table"], tables())
        self.assertIn(outputs["Bucket"], buckets())
        state = [s["StackName"] for s in cloudformation.list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"]
                 if s["StackName"].startswith("short-lived-State-")]
        self.assertEqual(len(state), 1)

        with self.subTest("and is served again"):
            again, made = self.stack("short-lived", Table=outputs["Table"], Bucket=outputs["Bucket"])
            self.assertNotIn("State", made)
            self.assertNotIn("Announce", made)  # nobody has said which stream
            self.assertEqual((again["Table"], again["Bucket"]), (outputs["Table"], outputs["Bucket"]))
            got = boto3.client("lambda").get_function_configuration(FunctionName=made["Pull"])
            self.assertEqual(got["Environment"]["Variables"]["BERTH_TABLE"], outputs["Table"])
            named = json.dumps(statements(made["PushRole"]))
            self.assertIn(f"table/{outputs['Table']}\"", named)
            self.assertIn(f":::{outputs['Bucket']}/object/*", named)

        with self.subTest("and tells what happens"):
            _, made = self.stack("short-lived-too", Table=outputs["Table"], Bucket=outputs["Bucket"], Stream=outputs["Stream"])
            mapping = boto3.client("lambda").list_event_source_mappings(FunctionName=made["Announce"])["EventSourceMappings"]
            self.assertEqual([m["EventSourceArn"] for m in mapping], [outputs["Stream"]])

        with self.subTest("even if its own stack is deleted"):
            cloudformation.delete_stack(StackName=state[0])
            self.assertIn(outputs["Table"], tables())
            self.assertIn(outputs["Bucket"], buckets())

    def test_what_costs_is_off(self):
        _, made = self.stack("plain")
        self.assertEqual(sorted(made), sorted(
            ["State", "Api", "ApiApiGatewayDefaultStage", "AccessLogs", "PullsByTag", "Audit", "VerifyEventInvokeConfig", *EVENTS]
            + [n + part for n in FUNCTIONS for part in ("", "Role", "Logs")]
            + ["PullRestPermission", "PushPostPermission", "PushPatchPermission", "PushPutPermission", "DeleteDeletePermission"]
            + [f"Token{event}Permission" for event in (
                "GetToken", "PostToken", "GetPolicy", "PutPolicy", "GetRobots", "PostRobots", "DeleteRobots",
                "RotateRobots", "RotateKeys")]))

    def test_open(self):
        outputs, made = self.stack("open", Access="open")
        self.assertEqual(outputs["Login"], f"docker login {outputs['Registry']}")
        got = boto3.client("lambda").get_function_configuration(FunctionName=made["Pull"])
        self.assertEqual(got["Environment"]["Variables"]["BERTH_ACCESS"], "open")

    def test_everything_on(self):
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:operators"
        certificate = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/00000000-0000-0000-0000-000000000000"
        outputs, made = self.stack("full", AlarmTopic=topic, Dashboard="true", Tracing="true",
                                   DomainName="registry.example.com", CertificateArn=certificate,
                                   EventTarget=topic, EventTypes="dev.berth.referrer.",
                                   WebhookUrl="https://ci.example/hook", WebhookSecret="ci/hook")
        self.assertResolved(outputs)
        self.assertEqual(outputs["Registry"], "registry.example.com")
        self.assertEqual(outputs["Login"].rpartition(" && ")[2], "docker login registry.example.com")
        self.assertTrue(outputs["DomainTarget"] and outputs["DomainZone"])
        for name in (*ALARMS, *EVENTS, "View", "Domain", "DomainMapping", "TargetRule", "Webhook", "Undelivered"):
            self.assertIn(name, made)
        body = boto3.client("cloudwatch").get_dashboard(DashboardName=made["View"])["DashboardBody"]
        self.assertResolved(body)
        self.assertEqual(len(json.loads(body)["widgets"]), 9)
        self.assertIn(outputs["Table"], body)


if __name__ == "__main__":
    unittest.main()
