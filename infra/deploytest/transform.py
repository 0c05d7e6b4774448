"""The SAM transform, by SAM's own code: what CloudFormation does to template.yaml
before it looks at it.

    python transform.py template.yaml

prints the template as CloudFormation then has it, but that no code is uploaded.
cfn-lint is shown that as well: of what Globals hold, and of some properties that
SAM only passes on, it says nothing while they are SAM's.
"""

import json
import sys
from pathlib import Path

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


def transform(template):
    """Returns the template without its Transform."""
    # SAM would resolve parameters and the region where it needs to know them: in
    # resources of ours that is nowhere.
    session = boto3.Session(region_name="us-east-1")
    return Translator({}, Parser(), boto_session=session).translate(template, parameter_values={})


def main():
    file = Path(sys.argv[1]).resolve()
    template = yaml_parse(file.read_text())
    for resource in template["Resources"].values():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::Serverless::Function":
            properties["CodeUri"] = "s3://code/function.zip"
        if resource["Type"] == "AWS::CloudFormation::Stack":
            properties["TemplateURL"] = str(file.parent / properties["TemplateURL"])
    json.dump(transform(template), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
