"""What an agent asks again and again, told by one look-up."""


class Routine:
    """Who does what where: all of a question but its arguments, resource, session, context and trace id.

    Whoever reads questions gives those that agree in all of that the same one, and others another; nothing else is in
    it. So what was found out for a routine is found again by it, and looked at only for what may be another since.
    """

    __slots__ = ()
