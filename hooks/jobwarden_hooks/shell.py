"""Shell text to simple commands: words, operators, substitutions and here-documents, without running anything."""


class Word(object):
    r"""One word of a command: quotes taken off, `$NAME` as \0NAME\0, `$(...)` as \1N\1 with its text in `subs`."""

    def __init__(self):
        self.parts, self.subs, self.quoted = [], [], False

    @property
    def text(self):
        """Give what stands in it."""
        if len(self.parts) != 1:
            self.parts = ["".join(self.parts)]
        return self.parts[0]

    @text.setter
    def text(self, value):
        """Put another text in its place."""
        self.parts = [value]


class Command(object):
    """One simple command: its words, where its output goes, what it reads, and its neighbours in a pipe."""

    def __init__(self):
        self.words, self.out, self.stdin, self.source = [], None, None, None
        self.pipe, self.piped, self.after = None, None, ""


OPERATORS = (
    "&>>",
    "<<<",
    "<<-",
    "&&",
    "||",
    ";;",
    "|&",
    ">>",
    "<<",
    ">&",
    "<&",
    "&>",
    ">|",
    ";",
    "&",
    "|",
    "(",
    ")",
    "<",
    ">",
)
NAME_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
NAME = NAME_START | frozenset("0123456789")
ENDS_PLAIN = frozenset(" \t\r\n;&|()<>\\'\"$`")
ENDS_QUOTED = frozenset('"\\$`')


def closing(text, at):
    """Find the parenthesis that closes the one before `at`; the end of the text if there is none."""
    depth = 1
    while at < len(text):
        one = text[at]
        if one == "\\":
            at += 1
        elif one == "'":
            at = text.find("'", at + 1)
            if at < 0:
                return len(text)
        elif one == '"':
            at = quote_end(text, at + 1)
        elif one in "()":
            depth += 1 if one == "(" else -1
            if not depth:
                return at
        at += 1
    return len(text)


def quote_end(text, at):
    """Find the double quote that ends a string which begins at `at`."""
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            at += 1
        elif text.startswith("$(", at):
            at = closing(text, at + 2)
        at += 1
    return at


def plain_end(text, at, ends):
    """Find where the characters end, from the one at `at` on, of which none but that one is special."""
    at += 1
    while at < len(text) and text[at] not in ends:
        at += 1
    return at


def dollar(text, at, word):
    """Read what stands at a `$` or a backtick into the word; give where it ends."""
    if text[at] == "`":
        end = at + 1
        while end < len(text) and text[end] != "`":
            end += 2 if text[end] == "\\" else 1
        word.subs.append(text[at + 1 : end].replace("\\`", "`"))
        word.parts.append("\1%d\1" % (len(word.subs) - 1))
        return end + 1
    if text.startswith("$(", at):
        end = closing(text, at + 2)
        word.subs.append("" if text.startswith("$((", at) else text[at + 2 : end])
        word.parts.append("\1%d\1" % (len(word.subs) - 1))
        return end + 1
    end = at + 1
    if text.startswith("${", at):
        stop = text.find("}", at)
        stop = len(text) if stop < 0 else stop
        while end + 1 < stop and text[end + 1] in NAME:
            end += 1
        word.parts.append("\0%s\0" % (text[at + 2 : end + 1] or "?"))
        return stop + 1
    while end < len(text) and text[end] in NAME:
        end += 1
    word.parts.append("\0%s\0" % text[at + 1 : end] if end > at + 1 else "$")
    return end


def lex(text):
    """Give words, operators (str) and here-documents ([delimiter, dash, body]) in order."""
    tokens, pending, word, at = [], [], None, 0
    while at < len(text):
        one = text[at]
        if one in " \t\r\n;&|()<>" or (one == "#" and word is None):
            add(tokens, word)
            word = None
            if one == "#":
                end = text.find("\n", at)
                at = len(text) if end < 0 else end
            elif one == "\n":
                at = here_documents(text, at + 1, pending)
                pending = []
                tokens.append("\n")
            elif one in " \t\r":
                at += 1
            else:
                at = operator(text, at, tokens)
                if isinstance(tokens[-1], list):
                    pending.append(tokens[-1])
            continue
        word = word or Word()
        if one == "\\":
            word.parts.append("" if text[at + 1 : at + 2] == "\n" else text[at + 1 : at + 2])
            word.quoted, at = True, at + 2
        elif one == "'":
            end = text.find("'", at + 1)
            end = len(text) if end < 0 else end
            word.parts.append(text[at + 1 : end])
            word.quoted, at = True, end + 1
        elif one == '"':
            at = double_quoted(text, at + 1, word)
        elif one in "$`":
            at = dollar(text, at, word)
        else:
            end = plain_end(text, at, ENDS_PLAIN)
            word.parts.append(text[at:end])
            at = end
    add(tokens, word)
    return tokens


def add(tokens, word):
    """Append a word; the first one after `<<` names the end of a here-document."""
    if word is not None and tokens and isinstance(tokens[-1], list) and tokens[-1][0] is None:
        tokens[-1][0] = word.text
    elif word is not None:
        tokens.append(word)


def double_quoted(text, at, word):
    """Read the rest of a double-quoted string into the word; give where it ends."""
    word.quoted = True
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and text[at + 1 : at + 2] in ('"', "\\", "$", "`", "\n"):
            word.parts.append("" if text[at + 1] == "\n" else text[at + 1])
            at += 2
        elif text[at] in "$`":
            at = dollar(text, at, word)
        else:
            end = plain_end(text, at, ENDS_QUOTED)
            word.parts.append(text[at:end])
            at = end
    return at + 1


def operator(text, at, tokens):
    """Read an operator; give where it ends."""
    if text[at : at + 2] in ("<(", ">("):
        word, end = Word(), closing(text, at + 2)
        word.subs.append(text[at + 2 : end])
        word.text = "\0?\0"
        tokens.append(word)
        return end + 1
    sign = next(one for one in OPERATORS if text.startswith(one, at))
    end = at + len(sign)
    last = tokens[-1] if tokens else None
    if (
        sign[0] in "<>"
        and isinstance(last, Word)
        and not last.quoted
        and last.text.isdigit()
        and text[at - 1].isdigit()
    ):
        tokens.pop()
        if last.text != "1" and sign[0] == ">":
            sign = "2>"
    tokens.append([None, sign == "<<-", ""] if sign in ("<<", "<<-") else sign)
    return end


def here_documents(text, at, pending):
    """Read the bodies of the here-documents of the line that ends before `at`; give where they end."""
    for one in pending:
        if one[0] is None:
            continue
        lines = []
        while at < len(text):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            line, at = text[at:end], end + 1
            if (line.lstrip("\t") if one[1] else line) == one[0]:
                break
            lines.append(line)
        one[2] = "\n".join(lines)
    return at


def commands(text):
    """Give the simple commands of a shell text, in order."""
    found, command, expects = [], Command(), None
    for token in lex(text):
        if isinstance(token, list):
            command.stdin = token[2]
        elif isinstance(token, Word):
            if expects is None:
                command.words.append(token)
            elif expects == "<<<":
                command.stdin = token.text
            elif expects == "<":
                command.source = token.text
            elif expects != "2>" and expects != ">&" and expects != "<&":
                command.out = token.text
            expects = None
        elif token[0] in "<>" or token in ("&>", "&>>", "2>"):
            expects = token
        else:
            command.after = token
            found.append(command)
            command, expects = Command(), None
    found.append(command)
    for one, following in zip(found, found[1:]):
        if one.after in ("|", "|&"):
            one.pipe, following.piped = following, one
    return [one for one in found if one.words]
