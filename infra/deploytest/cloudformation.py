"""A CloudFormation on this machine, for as long as the one who started it lives.

It is moto's, and some other services of moto behind it. Six things that
CloudFormation does and moto 5.2.5 does not are added here, each as small as can
be, so that a deployment goes its whole way:

- the SAM transform, which is done by SAM's own code;
- the outputs of a nested stack, which another resource of its parent names;
- the outputs of a stack that was made by a change set;
- AWS::NoValue in a list, which moto leaves there as a null;
- the name of a bus of EventBridge, which is what names it elsewhere;
- types that moto does not know: they get an id and attributes, and nothing is
  made. See PLACEHOLDERS.

What it cannot show, on top: Rules are passed over, nothing is rolled back, and
names that resolve to nothing are dropped in silence. cfn-lint finds the latter.
"""

import ctypes
import os
import secrets
import signal
import sys

from moto.cloudformation import models, parsing
from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.events.models import EventBus
from moto.server import ThreadedMotoServer

from transform import transform

# Types that moto's CloudFormation does not know, with the attributes that our
# templates ask for.
PLACEHOLDERS = {
    "AWS::ApiGatewayV2::Api": {},
    "AWS::ApiGatewayV2::Stage": {},
    "AWS::ApiGatewayV2::ApiMapping": {},
    "AWS::ApiGatewayV2::DomainName": {
        "RegionalDomainName": "d-local.execute-api.example.com",
        "RegionalHostedZoneId": "ZLOCAL",
    },
    "AWS::CloudWatch::Alarm": {},
    "AWS::Events::ApiDestination": {"Arn": "arn:aws:events:eu-central-1:123456789012:api-destination/local/1"},
    "AWS::Events::Connection": {"Arn": "arn:aws:events:eu-central-1:123456789012:connection/local/1"},
    "AWS::Lambda::EventInvokeConfig": {},
    "AWS::Logs::QueryDefinition": {},
    "AWS::S3::BucketPolicy": {},
}


class Placeholder:
    """A resource that is nothing but its id, with all that moto asks of one."""

    def __init__(self, kind):
        self.kind = kind
        self.physical_resource_id = secrets.token_hex(5)

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        return cls(cloudformation_json["Type"])

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, **kwargs):
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(cls, *args):
        pass

    @classmethod
    def has_cfn_attr(cls, attr):
        return True

    def is_created(self):
        return True

    def get_cfn_attribute(self, attribute_name):
        try:
            return PLACEHOLDERS[self.kind][attribute_name]
        except KeyError:
            raise UnformattedGetAttTemplateException() from None


def output_of(stack, attribute_name):
    """The value of Outputs.NAME of a nested stack."""
    for output in stack.outputs or []:
        if attribute_name == "Outputs." + output["OutputKey"]:
            return output["OutputValue"]
    raise UnformattedGetAttTemplateException()


def transformed(parse):
    """Makes a template of SAM one of CloudFormation when it has been parsed."""

    def parse_and_transform(self):
        parse(self)
        if "Transform" in self.template_dict:
            self.template_dict = transform(self.template_dict)

    return parse_and_transform


def with_outputs(apply):
    def apply_and_evaluate(change_set):
        apply(change_set)
        change_set.stack.template = change_set.template
        change_set.stack.template_dict = change_set.template_dict
        change_set.stack.output_map = change_set.stack._create_output_map()

    return apply_and_evaluate


def without_nulls(clean):
    def clean_json(json, resources):
        cleaned = clean(json, resources)
        return [v for v in cleaned if v is not None] if isinstance(cleaned, list) else cleaned

    return clean_json


def teach():
    known = parsing.get_model_map()
    for kind in PLACEHOLDERS:
        if kind in known:
            sys.exit(f"cloudformation: moto has learnt {kind}; take it out of PLACEHOLDERS")
        known[kind] = Placeholder
    EventBus.physical_resource_id = property(lambda bus: bus.name)
    parsing.clean_json = without_nulls(parsing.clean_json)
    models.Stack.get_cfn_attribute = output_of
    models.ChangeSet.apply = with_outputs(models.ChangeSet.apply)
    for owner in (models.Stack, models.ChangeSet):
        owner._parse_template = transformed(owner._parse_template)


def die_with_parent():
    PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>; elsewhere there is no such thing
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            sys.exit("cloudformation: whoever started it is gone")


def main():
    die_with_parent()
    teach()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    # moto looks for a nested template in its own S3 only if its host is called so.
    print(f"http://localhost:{server.get_host_and_port()[1]}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
