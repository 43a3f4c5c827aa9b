"""A safety case as XMI of OMG's Structured Assurance Case Metamodel, SACM 2.3.

Namespaces and features are those of the metamodel's public EMF model (github.com/SystemsAssuranceGroup/SACM), so that
editors built on it open the file:

=====================  ==========================================================================
GSN                    SACM
=====================  ==========================================================================
goal                   ``Claim``: ``asserted``, ``needsSupport`` where undeveloped, ``defeated``
assumption             ``Claim``, ``assumed``, with an ``AssertedContext``
justification          ``Claim``, ``axiomatic``, with an ``AssertedContext``
context                ``ArtifactReference`` with an ``AssertedArtifactContext``
strategy               ``ArgumentReasoning`` of the ``AssertedInference`` from what is below it
solution               ``ArtifactReference`` to an ``Artifact``, with an ``AssertedEvidence``
counter solution       the same, ``isCounter``
=====================  ==========================================================================
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from testbed.report.plain_text import clean
from testbed.report.safety_case.nodes import GsnNode

XMI = "http://www.omg.org/XMI"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SACM = "http://omg.sacm/2.3"
CASE, ARGUMENT, ARTIFACT = "assuranceCase_", "argumentation_", "artifact_"
NAMESPACES = {CASE: f"{SACM}/assurancecase", ARGUMENT: f"{SACM}/argumentation", ARTIFACT: f"{SACM}/artifact"}


def to_sacm(nodes: Sequence[GsnNode], name: str) -> str:
    """Return a case as SACM XMI.

    Args:
        nodes: Elements, top goal first.
        name: What the case is called.
    """
    root = ElementTree.Element(f"{CASE}:AssuranceCasePackage", {"xmi:version": "2.0", "xmlns:xmi": XMI})
    root.attrib |= {"xmlns:xsi": XSI, **{f"xmlns:{prefix}": uri for prefix, uri in NAMESPACES.items()}}
    root.set("xmi:id", "case")
    _name(root, name)
    artefacts = ElementTree.SubElement(root, "artifactPackage", {"xmi:id": "artefacts"})
    _name(artefacts, "Evidence")
    argument = ElementTree.SubElement(root, "argumentPackage", {"xmi:id": "argument"})
    _name(argument, "Argument")
    writer = _SacmWriter({node.id: node for node in nodes}, artefacts, argument)
    for node in nodes:
        writer.element(node)
    for node in nodes:
        writer.relations(node)
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _xml_id(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _text(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag, {"lang": "en", "content": clean(text)})


def _name(parent: ElementTree.Element, text: str) -> None:
    _text(parent, "name", text)


def _describe(parent: ElementTree.Element, text: str) -> None:
    content = ElementTree.SubElement(ElementTree.SubElement(parent, "description"), "content")
    _text(content, "value", text)


class _SacmWriter:
    """Adds elements to the two packages of a case."""

    def __init__(
        self, by_id: dict[str, GsnNode], artefacts: ElementTree.Element, argument: ElementTree.Element
    ) -> None:
        self.by_id = by_id
        self.artefacts = artefacts
        self.argument = argument
        self.defeated = {node.challenges for node in by_id.values() if node.defeats}

    def add(self, kind: str, name: str, **attributes: str) -> ElementTree.Element:
        """Add an element of the argument."""
        given = {"xsi:type": f"{ARGUMENT}:{kind}", "xmi:id": _xml_id(name), **attributes}
        return ElementTree.SubElement(self.argument, "argumentationElement", given)

    def element(self, node: GsnNode) -> None:
        """Add what an element of GSN is in SACM."""
        if node.shape == "strategy":
            added = self.add("ArgumentReasoning", node.id)
        elif node.shape in ("goal", "assumption", "justification"):
            added = self.add("Claim", node.id, assertionDeclaration=self.declaration(node))
        else:
            referenced = {}
            if node.cites is not None:
                referenced["referencedArtifactElement"] = _xml_id(f"artefact-{node.id}")
                self.artefact(node)
            added = self.add("ArtifactReference", node.id, **referenced)
        _name(added, node.id)
        _describe(added, node.text)

    def declaration(self, node: GsnNode) -> str:
        """Return how a claim is asserted."""
        if node.shape == "assumption":
            return "assumed"
        if node.shape == "justification":
            return "axiomatic"
        if node.id in self.defeated:
            return "defeated"
        return "asserted" if node.supported_by else "needsSupport"

    def artefact(self, node: GsnNode) -> None:
        """Add what a solution rests on."""
        assert node.cites is not None, "only solutions cite"
        given = {"xsi:type": f"{ARTIFACT}:Artifact", "xmi:id": _xml_id(f"artefact-{node.id}")}
        added = ElementTree.SubElement(
            self.artefacts, "artifactElement", {**given, "version": f"sha256:{node.cites.digest}"}
        )
        _name(added, clean(node.cites.listed))
        if node.cites.drives:
            _describe(added, f"{node.cites.drives} drives, listed in {node.cites.listed} under {node.id}")

    def relations(self, node: GsnNode) -> None:
        """Add what links an element to those that it names."""
        for name in node.in_context_of:
            kind = "AssertedArtifactContext" if self.by_id[name].shape == "context" else "AssertedContext"
            self.relate(kind, [name], node.id)
        if node.challenges:
            self.relate("AssertedEvidence", [node.id], node.challenges, isCounter="true")
        if node.shape != "goal":
            return
        direct = []
        for name in node.supported_by:
            below = self.by_id[name]
            if below.shape == "solution":
                self.relate("AssertedEvidence", [name], node.id)
            elif below.shape == "goal":
                direct.append(name)
            else:
                self.relate("AssertedInference", below.supported_by, node.id, reasoning=_xml_id(below.id))
        if direct:
            self.relate("AssertedInference", direct, node.id)

    def relate(self, kind: str, sources: Sequence[str], target: str, **attributes: str) -> None:
        """Add a relationship; one without a source still says what reasoning a claim wants."""
        name = f"{kind}-{attributes.get('reasoning') or sources[0]}-{target}"
        given = {"source": " ".join(_xml_id(one) for one in sources)} if sources else {}
        declared = "asserted" if sources else "needsSupport"
        self.add(kind, name, assertionDeclaration=declared, target=_xml_id(target), **given, **attributes)
