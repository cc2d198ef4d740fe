"""A clock that the search for the fastest kernels is told the time by."""

from clnn.backends.opencl import OpenCL, algorithms


class Clock:
    """Stands still but when a matmul runs, which takes what its candidate costs."""

    def __init__(self, monkeypatch, costs):
        self.now, self.costs, self.runs = 0.0, costs, []
        real = OpenCL.run

        def run(backend, op, inputs, outs, settings):
            context = algorithms.current()
            if context is not None and context.trial is not None:
                name = str(context.trial)
                self.runs.append(name)
                self.now += self.costs.get(name, 1.0)
            return real(backend, op, inputs, outs, settings)

        monkeypatch.setattr(OpenCL, "run", run)

    def __call__(self):
        return self.now
