# docker build --tag aiohubassoc .
# docker run --rm --volume "$PWD:/data" --env HUBSPOT_ACCESS_TOKEN aiohubassoc link pairs.csv ...
FROM python:3.13-slim AS build
COPY . /source
RUN /source/.ci/install-into /opt/aiohubassoc python3

FROM python:3.13-slim
COPY --from=build /opt/aiohubassoc /opt/aiohubassoc
ENV PATH=/opt/aiohubassoc/bin:$PATH
RUN useradd --uid 10001 --no-create-home aiohubassoc
USER 10001
WORKDIR /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["aiohubassoc"]
CMD ["--help"]
